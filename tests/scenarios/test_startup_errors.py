"""What cannot start says why in one line and ends with exit code 1, leaving nothing behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .application import ROOT, clean_environment

pytestmark = pytest.mark.xdist_group("scenario")


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clean_environment() | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_one_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    lines = result.stderr.strip().splitlines()
    assert result.returncode == 1, result
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("coder-admin: ")
    for word in words:
        assert word in lines[0]


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = manage("up", "--port", str(port), "--data", str(tmp_path / "data"))
    assert_one_line(result, f"port {port}", "--port")


def test_a_port_that_is_none(tmp_path: Path) -> None:
    assert_one_line(manage("up", "--port", "70000", "--data", str(tmp_path)), "70000", "65535")


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a folder that nobody may write: /proc")
def test_an_unwritable_data_folder() -> None:
    assert_one_line(manage("up", "--port", "0", "--data", "/proc/none"), "/proc/none", "--data")


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert_one_line(manage("up", "--port", "0", "--data", str(file)), str(file), "--data")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("CODER_ADMIN_PROVISIONER_CONCURRENCY", "many", "a whole number"),
        ("CODER_ADMIN_PROVISIONER_CONCURRENCY", "0", "from 1 to"),
        ("CODER_ADMIN_PROVISIONER_LEASE_SECONDS", "nan", "seconds (90)"),
        ("CODER_WORKSPACE_PREBUILDS_RECONCILIATION_BACKOFF_LOOKBACK_PERIOD", "1d", "1h30m"),
        ("CODER_WORKSPACE_PREBUILDS_RECONCILIATION_BACKOFF_LOOKBACK_PERIOD", "99999999h", "at most 8784h"),
        ("CODER_EMAIL_PORT", "70000", "to 65535"),
        ("CODER_WORKSPACE_PREBUILDS_RECONCILIATION_INTERVAL", "-5", "greater than 0"),
        ("DATABASE_URL", "oracle-ish://nowhere", "DATABASE_URL"),
        ("DATABASE_URL", "postgres://me@localhost:fivefour/x", "DATABASE_URL"),
        ("CODER_ADMIN_METRICS_OPEN", "sure", "true or false"),
    ],
)
def test_a_setting_that_cannot_be_used(tmp_path: Path, variable: str, value: str, reason: str) -> None:
    assert_one_line(manage("check", "--data", str(tmp_path), **{variable: value}), variable, reason)


def test_mail_is_encrypted_in_one_way(tmp_path: Path) -> None:
    both = {"CODER_EMAIL_TLS_STARTTLS": "true", "CODER_EMAIL_FORCE_TLS": "true"}
    assert_one_line(manage("check", "--data", str(tmp_path), **both), "CODER_EMAIL_FORCE_TLS", "one of them")


def test_a_database_that_is_down(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    url = f"postgres://someone:secret-word@127.0.0.1:{port}/none"
    result = manage("up", "--port", "0", "--data", str(tmp_path), DATABASE_URL=url)
    assert_one_line(result, f"127.0.0.1:{port}/none", "DATABASE_URL")
    assert "secret-word" not in result.stderr


def test_a_redis_that_is_down(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    url = f"redis://:secret-word@127.0.0.1:{port}/0"
    result = manage("up", "--port", "0", "--data", str(tmp_path), REDIS_URL=url)
    assert_one_line(result, f"127.0.0.1:{port}", "REDIS_URL")
    assert "secret-word" not in result.stderr


def test_a_folder_without_terraform_files(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    data = str(tmp_path / "data")
    assert manage("migrate", "--data", data, "--verbosity", "0").returncode == 0
    result = manage("import_template", str(empty), "--org", "coder", "--name", "nothing", "--data", data)
    assert_one_line(result, ".tf")


def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    assert manage("up", "--no-such-option", "--data", str(tmp_path)).returncode == 2
