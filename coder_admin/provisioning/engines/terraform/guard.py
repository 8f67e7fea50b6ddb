"""Becomes the command it is given, after asking the kernel to interrupt it when its parent's thread ends.

Run as a script, outside the package: ``python -I -S guard.py PARENT_PID COMMAND [ARGUMENT ...]``. A worker
that is killed thereby leaves no Terraform running: it gets the same interrupt as on a cancel, finishes the
resource it is at, writes its state and ends. The thread that starts a command also waits for it, so the end
of the thread is the end of the worker.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(130)
    # Go keeps an ignored interrupt ignored; a server started with nohup would make cancelling impossible.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as problem:
        sys.stderr.write(f"{command[0]} cannot be run: {problem}\n")
        sys.exit(127)


main()
