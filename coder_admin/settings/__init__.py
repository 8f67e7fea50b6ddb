"""Django settings, read from the environment; the defaults run on a laptop.

Each part of the settings has a module of its own; README.md lists the variables.
"""

from .base import *  # noqa: F403
from .database import *  # noqa: F403
from .features import *  # noqa: F403
from .identity import *  # noqa: F403
from .logging import *  # noqa: F403
from .security import *  # noqa: F403
