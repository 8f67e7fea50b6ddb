"""Reading of environment variables, the project's root and the data folder."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

YEAR = 366 * 24 * 3600
"""Seconds that no duration may exceed."""
MOST = 2**31 - 1
"""The largest whole number that a setting may hold."""

_ON, _OFF = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


class Environment(environ.Env):  # type: ignore[misc]  # django-environ has no types
    """Environment variables whose wrong values are told in one sentence."""

    def duration(self, var: str, *, default: float, above: float | None = None) -> float:
        """Seconds, of at least 0 or greater than ``above``, written as a plain number or as Go writes
        durations (``1h30m``), which is how Coder's own variables are set.

        At most a year: "now" plus or minus a few of them must be a date.
        """
        if var not in self.ENVIRON:
            return default
        text: str = self.str(var)
        seconds = _seconds(text.strip())
        if seconds is None or seconds < 0 or seconds > YEAR or (above is not None and seconds <= above):
            bound = "of at least 0" if above is None else f"greater than {above:g}"
            raise ImproperlyConfigured(
                f"{var} is {_quoted(text)}; set it to a duration {bound} and at most {YEAR // 3600}h "
                "(a year): seconds (90), or numbers with units (1h30m, 500ms)."
            )
        return seconds

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
            number = _whole(value)
            if number is None or not 0 <= number <= MOST:
                raise ImproperlyConfigured(
                    f"{var} cannot be read: write name=number with commas between (memory=4096,files=1024)."
                )
            found[name.strip()] = number
        return found

    def count(self, var: str, *, default: int, least: int = 0, most: int = MOST) -> int:
        """A whole number between two bounds, both included."""
        if var not in self.ENVIRON:
            return default
        text: str = self.str(var)
        value = _whole(text)
        if value is None or not least <= value <= most:
            raise ImproperlyConfigured(
                f"{var} is {_quoted(text)}; set it to a whole number from {least} to {most}."
            )
        return value

    def switch(self, var: str, *, default: bool) -> bool:
        """Whether something is on; a variable that is set to nothing counts as not set."""
        text: str = self.str(var, default="")
        word = text.strip().lower()
        if word and word not in _ON | _OFF:
            raise ImproperlyConfigured(f"{var} is {_quoted(text)}; set it to true or false.")
        return word in _ON if word else default

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


def _seconds(text: str) -> float | None:
    """Seconds of a plain number or of a duration as Go writes it; None for anything else."""
    if _NUMBER.fullmatch(text):
        return float(text)
    # Here, since only then the template language is needed to read the settings.
    from coder_admin.terraform.functions.dates import parse_duration
    from coder_admin.terraform.functions.registry import FunctionError

    try:
        return parse_duration(text) / 10**9
    except FunctionError:
        return None


def _whole(text: str) -> int | None:
    """A whole number in plain digits; None for anything else, and for what no setting could mean."""
    return int(text) if _WHOLE.fullmatch(text.strip()) else None


def _quoted(value: str) -> str:
    return f'"{value if len(value) <= 40 else value[:39] + "…"}"'


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
