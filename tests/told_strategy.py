"""A strategy in a process of its own, that records what it is told to, and can be killed.

Run as a program it is that strategy: `python -m tests.told_strategy RING`, and words on its stdin.
"""

import subprocess
import sys
from typing import Self

from ringbuf.strategies import Recorder
from tests.checkout import ROOT

CAPACITY = 1024


class ToldStrategy:
    """The process; a `with` block kills it at its end."""

    def __init__(self, ring: str) -> None:
        command = [sys.executable, "-m", __name__, ring]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.session = int(self._answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def record(self, count: int) -> int:
        """Record so many fills, whose trade ids count from 0; returns the seq of the last."""
        self._tell(f"record {count}")
        return int(self._answer())

    def close(self) -> None:
        """Close the recorder; the process lives on."""
        self._tell("close")
        assert self._answer() == "closed"

    def leave(self) -> None:
        """End without closing it."""
        self._tell("leave")
        assert self.process.wait() == 0

    def _tell(self, words: str) -> None:
        assert self.process.stdin is not None
        print(words, file=self.process.stdin, flush=True)

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def main(ring: str) -> None:
    recorder = Recorder.open(ring, capacity=CAPACITY)
    bound = recorder.bind(exchange="e", account="a", symbol="s", strategy="m")
    print(recorder.producer.session, flush=True)
    for line in sys.stdin:
        match line.split():
            case ["record", count]:
                begin = recorder.producer.head
                for number in range(begin, begin + int(count)):
                    last = bound.fill(side="buy", last_price=1.0, last_quantity=1.0, trade_id=str(number))
                print(last, flush=True)
            case ["close"]:
                recorder.close()
                print("closed", flush=True)
            case _:
                return


if __name__ == "__main__":
    main(sys.argv[1])
