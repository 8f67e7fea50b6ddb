"""How this deployment runs Terraform: the settings, read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CACHE_FOLDER = "terraform-plugins"  # in the data folder


@dataclass(frozen=True)
class Configuration:
    """``binary``: name or path, "" = the first of terraform and tofu on PATH. ``cli_config``: a file for
    TF_CLI_CONFIG_FILE, None = none. ``passed_on``: names of variables of the server's environment that
    templates may see, ``*`` at the end for all that begin so. Times in seconds."""

    plugin_cache: Path
    binary: str = ""
    cli_config: Path | None = None
    passed_on: tuple[str, ...] = ()
    grace: float = 180.0
    timeout: float = 3600.0


def from_settings() -> Configuration:
    """The configuration of the running deployment."""
    from django.conf import settings

    path = settings.TERRAFORM_CLI_CONFIG
    return Configuration(
        plugin_cache=Path(settings.DATA_DIR) / CACHE_FOLDER,
        binary=settings.TERRAFORM_BINARY,
        cli_config=Path(path).absolute() if path else None,
        passed_on=tuple(settings.TERRAFORM_PASS_ENV),
        grace=settings.TERRAFORM_GRACE_SECONDS,
        timeout=settings.TERRAFORM_TIMEOUT_SECONDS,
    )
