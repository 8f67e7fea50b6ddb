"""What to tell a person whose database does not answer."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError


def advice(error: DatabaseError) -> str:
    """One sentence that names the database, the reason and the way out; never the password."""
    database = settings.DATABASES["default"]
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if database["ENGINE"].endswith("sqlite3"):
        return (
            f"the database {database['NAME']} cannot be used: {reason}. "
            "Check the file's permissions and free disk space, or choose another folder with --data DIR."
        )
    where = f"{database.get('HOST') or 'local socket'}:{database.get('PORT') or 5432}/{database['NAME']}"
    return (
        f"the database at {where} cannot be used: {reason}. "
        "Start it or correct DATABASE_URL, then run the command again."
    )
