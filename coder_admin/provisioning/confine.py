"""Becomes the command it is given, after giving up what somebody else's code must not have.

Run as a script, outside the package: ``python -I -S confine.py LIMITS COMMAND [ARGUMENT ...]``. LIMITS is
``name=value,...`` with the names of ``resource.RLIMIT_*`` in lower case. Limits hold for the command and all
it starts, and nothing of it gains rights by a set-user-id program. In a script of its own, because code
between fork and exec of a process with threads may hang.
"""

import os
import resource
import signal
import sys

PR_SET_NO_NEW_PRIVS = 38


def limit(name: str, value: int) -> None:
    """Lower the limit, hard and soft; one that is lower already stays."""
    number = getattr(resource, f"RLIMIT_{name.upper()}", None)
    if number is None:
        return
    _, hard = resource.getrlimit(number)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(number, (bound, bound))


def main() -> None:
    limits, command = sys.argv[1], sys.argv[2:]
    for part in filter(None, limits.split(",")):
        name, _, value = part.partition("=")
        limit(name, int(value))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as problem:
        sys.stderr.write(f"{command[0]} cannot be run: {problem}\n")
        sys.exit(127)


main()
