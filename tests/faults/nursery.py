"""Workers that can be killed by the dozen: forked from one process that has everything loaded.

``python -m tests.faults.nursery`` reads ``spawn NAME`` on standard input and answers ``PID``; the worker it
forked has the real handlers, a short lease, and dies with the nursery.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

import django

LEASE, SWEEP, LOOK = 1.5, 0.25, 0.5  # seconds
PR_SET_PDEATHSIG = 1


def work(name: str, ready: int) -> None:
    """Be a worker until killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    sys.stdin.close()
    from coder_admin.provisioning import worker

    worker.LOOK_EVERY = LOOK
    running = worker.Worker(name=name, concurrency=2, lease_seconds=LEASE, sweep_seconds=SWEEP)
    running.start()
    os.write(ready, b"x")
    os.close(ready)
    threading.Event().wait()


def main() -> None:
    django.setup()
    from coder_admin.parameters import importing  # noqa: F401 - loaded once, not by each worker
    from coder_admin.provisioning.engines.embedded import engine  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    for line in sys.stdin:
        _, name = line.split()
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reading)
            try:
                work(name, writing)
            finally:
                os._exit(1)
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
