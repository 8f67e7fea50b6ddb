#!/usr/bin/env python
"""Django's command line, with start-up errors told in one line."""

import os
import sys


def main() -> None:
    """Run the command named in ``sys.argv``; a configuration error ends with exit code 1 and one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coder_admin.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"coder-admin: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
