"""Forks processes that make client order ids of every venue as fast as they can, kills them at any moment, restarts."""

import os
import random
import signal
import sys
import time
from pathlib import Path

from ringbuf.strategies.client_order_id import ClientOrderIds
from ringbuf.strategies.venues import ID_FORMATS

AT_ONCE = 6
LEAST_S, MOST_S = 0.002, 0.06


def make(directory: Path, host: int, number: int) -> None:
    """Write ids to a file of its own, until it is killed; half of the processes fork once more."""
    venues = sorted({id(each): name for name, each in ID_FORMATS.items()}.values())
    ids = {venue: ClientOrderIds(venue, f"s{number}", host=host, directory=directory) for venue in venues}
    parent = os.getppid()
    if number % 2:
        own = os.getpid()
        parent = parent if os.fork() else own
    file = os.open(directory / f"ids-{number}-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while os.getppid() == parent:  # a child of one that was killed ends
        os.write(file, "".join(f"{venue} {ids[venue].next()}\n" for venue in venues).encode())
    os._exit(0)


def main(directory: Path, starts: int, seed: int) -> None:
    """Start so many, at most some at once, on two hosts."""
    draw = random.Random(seed)
    running: list[int] = []
    for number in range(starts):
        pid = os.fork()
        if pid == 0:
            make(directory, number % 3 % 2, number)
        running.append(pid)
        time.sleep(draw.uniform(LEAST_S, MOST_S))
        if len(running) >= AT_ONCE:
            end(running.pop(draw.randrange(len(running))))
    for pid in running:
        end(pid)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
