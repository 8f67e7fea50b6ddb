"""Reading of environment variables, the project's root and the data folder."""

from __future__ import annotations

import math
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.Env):  # type: ignore[misc]  # django-environ has no types
    """Environment variables whose wrong values are told in one sentence."""

    def get_value(self, var: Any, cast: Any = None, *arguments: Any, **options: Any) -> Any:
        try:
            return super().get_value(var, cast, *arguments, **options)
        except ValueError as error:
            # The value itself is not repeated: it may hold a password.
            kind = {int: "a whole number", float: "a number"}.get(cast, "a value of the documented form")
            raise ImproperlyConfigured(f"{var} cannot be read: set it to {kind}.") from error

    def number(self, var: str, *, default: float, least: float = 0.0, above: float | None = None) -> float:
        """A finite number of at least ``least``, or greater than ``above``."""
        value: float = self.float(var, default=default)
        if not math.isfinite(value) or value < least or (above is not None and value <= above):
            bound = f"at least {least:g}" if above is None else f"greater than {above:g}"
            raise ImproperlyConfigured(f"{var} is {value:g}; set it to a number {bound}.")
        return value

    def secrets(self, var: str, *, shortest: int) -> list[str]:
        """Texts with commas between them, none shorter than ``shortest`` characters."""
        values = [part.strip() for part in self.list(var, default=[]) if part.strip()]
        if any(len(value) < shortest for value in values):
            raise ImproperlyConfigured(
                f"{var} holds a key of fewer than {shortest} characters. "
                'Make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
            )
        return values

    def counts(self, var: str) -> dict[str, int]:
        """``name=number`` with commas between them."""
        found: dict[str, int] = {}
        for part in self.list(var, default=[]):
            name, _, value = part.partition("=")
            if not value.strip().isdecimal():
                raise ImproperlyConfigured(
                    f"{var} cannot be read: write name=number with commas between (memory=4096,files=1024)."
                )
            found[name.strip()] = int(value)
        return found

    def count(self, var: str, *, default: int, least: int = 0) -> int:
        """A whole number of at least ``least``."""
        value: int = self.int(var, default=default)
        if value < least:
            raise ImproperlyConfigured(f"{var} is {value}; set it to a whole number from {least} on.")
        return value

    def choice(self, var: str, *, default: str, options: tuple[str, ...]) -> str:
        """One of a few words."""
        value: str = self.str(var, default=default)
        if value not in options:
            raise ImproperlyConfigured(f'{var} is "{value}"; set it to {", ".join(options)}.')
        return value

    def web_address(self, var: str) -> str:
        """An http or https address, or ""."""
        value: str = self.str(var, default="").strip()
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            # The value itself is not repeated: it may hold a password.
            raise ImproperlyConfigured(f"{var} is no web address; set it to https://host/path.")
        return value


env = Environment()

BASE_DIR = Path(__file__).resolve().parent.parent.parent


def data_dir() -> Path:
    """The folder for the database, the key and workspaces; created on first use, private to its owner."""
    folder = Path(env.str("CODER_ADMIN_DATA", default=str(BASE_DIR / "data"))).expanduser().resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"cannot create the data folder {folder}: {error.strerror}. "
            "Choose a writable folder with --data DIR or CODER_ADMIN_DATA."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(
            f"the data folder {folder} is not writable. "
            "Choose another with --data DIR or CODER_ADMIN_DATA, or change its permissions."
        )
    return folder


def secret_key(folder: Path) -> str:
    """``CODER_ADMIN_SECRET_KEY``, or a random key kept in the data folder from the first start on.

    Two processes that start at once agree: the file is written aside and linked into place, and
    whoever comes second reads the first one's key.
    """
    given: str = env.str("CODER_ADMIN_SECRET_KEY", default="")
    if given:
        return given
    path = folder / "secret_key"
    if not path.exists():
        draft = folder / f".secret_key.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(64))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        except OSError as error:
            raise ImproperlyConfigured(
                f"cannot write the secret key into {folder}: {error.strerror}. "
                "Make the data folder writable or set CODER_ADMIN_SECRET_KEY."
            ) from error
    key = path.read_text().strip()
    if len(key) < 50:
        raise ImproperlyConfigured(
            f"{path} does not hold a usable key. Remove the file to have a new one made "
            "(everybody must log in again), or set CODER_ADMIN_SECRET_KEY."
        )
    return key
