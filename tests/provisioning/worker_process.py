"""A worker as a process of its own, for tests that kill it: runs dry runs that do what their input says."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coder_admin.settings")
    django.setup()
    from coder_admin.provisioning import handlers
    from coder_admin.provisioning.choices import JobType
    from coder_admin.provisioning.worker import Worker

    class Handler:
        def execute(self, ctx: Any) -> object:
            ctx.log("Working", f"begun by {os.getpid()}")
            for _ in range(int(ctx.job.input.get("seconds", 0) * 20)):
                ctx.wait(0.05)
            return os.getpid()

        def complete(self, job: Any, result: Any) -> None:
            pass

        def fail(self, job: Any, error: Exception) -> None:
            pass

    handlers.register(JobType.TEMPLATE_VERSION_DRY_RUN, Handler())
    sweep = float(sys.argv[3]) if len(sys.argv) > 3 else 0.2
    worker = Worker(name=sys.argv[1], lease_seconds=float(sys.argv[2]), sweep_seconds=sweep)
    worker.start()
    print("ready", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(3)), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
