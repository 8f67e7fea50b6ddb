"""Which machine this is: the identity of the data folder, where workspaces have their files and agents.

Kept in the folder itself, so that a restart, a new host name or a new process keeps it, and two machines with
folders of their own differ.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from django.conf import settings

NAME = "host_id"


def host_id() -> uuid.UUID:
    """The identity of this process's data folder, made on first use."""
    return _of(Path(settings.DATA_DIR))


@lru_cache(maxsize=8)
def _of(folder: Path) -> uuid.UUID:
    path = folder / NAME
    if not path.exists():
        draft = folder / f".{NAME}.{uuid.uuid4().hex}"
        draft.write_text(f"{uuid.uuid4()}\n")
        # Linked, not renamed: of two processes that start at once the first one's stays.
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return uuid.UUID(path.read_text().strip())
