"""Clone the commit into a new folder, `make run` there, and wait for a usable page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 300


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="fresh-clone-") as folder:
        clone = Path(folder) / "coder-admin"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        subprocess.run(["make", ".venv/.runtime"], cwd=clone, check=True)
        return run(clone)


def run(clone: Path) -> int:
    """Start the application in the clone; 0 when its login page answers and it stops cleanly."""
    services = {"DATABASE_URL", "REDIS_URL"}
    environment = {key: value for key, value in os.environ.items() if key not in services}
    started = time.monotonic()
    process = subprocess.Popen(
        ["make", "run", "ARGS=--port 0"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(LIMIT_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        address = None
        for line in process.stdout or ():
            print("  |", line, end="")
            if found := re.search(r"ready at (http://\S+)", line):
                address = found[1]
                break
        if address is None:
            print("make run ended without a ready line", file=sys.stderr)
            return 1
        with urllib.request.urlopen(f"{address}/login", timeout=10) as answer:
            usable = answer.status == 200
        print(f"usable page after {time.monotonic() - started:.1f} s")
        os.killpg(process.pid, signal.SIGINT)
        threading.Thread(target=lambda: [print("  |", line, end="") for line in process.stdout or ()]).start()
        code = process.wait(timeout=30)
        print(f"stopped with exit code {code}")
        return 0 if usable else 1
    finally:
        watchdog.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
