"""`python -m coder_admin.agent`: serve the workspace named by the token in the environment."""

from __future__ import annotations

import os
import sys

from .agent import Agent
from .settings import SettingsError, settings_from


def main() -> int:
    try:
        settings = settings_from(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"agent: {error}\n")
        return 2
    return Agent(settings).run()


if __name__ == "__main__":
    sys.exit(main())
