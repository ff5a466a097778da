"""Ties a process to its owner: when the owner ends, even by SIGKILL, the process is killed.

Run as a program it becomes another one: `python owner.py OWNER_PID POLICY PROGRAM ARGUMENT…`. POLICY is `usual` or
`idle`; an idle program runs only when a core has nothing else to do (SCHED_IDLE). It is run by its path, so that it
imports nothing of the package.
"""

import ctypes
import os
import signal
import sys
from typing import Final

USUAL: Final = "usual"
IDLE: Final = "idle"
PR_SET_PDEATHSIG: Final = 1


def end_with(owner: int) -> None:
    """Have this process killed when the thread that started it ends; end it now if that has already happened.

    The kernel forgets this in a forked child, but not when the process becomes another program.

    Args:
        owner: the process that started this one.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != owner:
        sys.exit(f"process {owner} ended before the process it had started")


def become(owner: int, policy: str, command: list[str]) -> None:
    """Become a program that ends with its owner."""
    end_with(owner)
    if policy == IDLE:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error}")


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
