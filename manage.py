#!/usr/bin/env python
"""Django's command line, with start-up errors told in one line.

``--data DIR`` may follow any command and chooses the data folder (README.md, settings).
"""

import os
import sys


def main() -> None:
    """Run the command named in ``sys.argv``; a configuration error ends with exit code 1 and one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coder_admin.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from coder_admin.foundation.errors import ServiceError
    from coder_admin.operations.early import apply_early_options

    try:
        execute_from_command_line(apply_early_options(sys.argv, os.environ))
    except (ImproperlyConfigured, ServiceError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except DatabaseError as error:
        from coder_admin.operations.database import advice

        fail(advice(error))


def fail(message: str) -> None:
    """One line on standard error, exit code 1."""
    sys.stderr.write(f"coder-admin: {' '.join(message.split())}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
