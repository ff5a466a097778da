"""Child processes of a benchmark. They leave Ctrl-C to the process that the user started, which ends them."""

import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final, Self

from ringbuf.errors import RingbufError

ANSWER_SECONDS: Final = 600.0


class _Process(SpawnProcess):
    def start(self) -> None:
        resource_tracker.ensure_running()  # else `start` does so, and lets the signal through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child begins with its starter's mask
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Process


SPAWN: Final = _Context()


class AnsweringProcess:
    """A function in a process of its own that answers requests; ended at the end of a `with` block.

    Args:
        name: what errors call it, as in "the sending" process.
        target: the function. It is given a connection, then the arguments. What it sends over the connection is an
            answer; a RingbufError is raised here.
        daemon: whether it has no child processes.
    """

    def __init__(self, name: str, target: Callable[..., None], *arguments: Any, daemon: bool = True) -> None:
        self._name = name
        self._connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=target, args=(theirs, *arguments), daemon=daemon)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None, "it was started"
        return self._process.pid

    def first_answer(self, seconds: float = ANSWER_SECONDS) -> Any:
        """Wait for the answer that it gives unasked when it is ready; if it gives an error instead, it is killed.

        Raises:
            RingbufError: as for `answer`.
        """
        try:
            return self.answer(seconds)
        except BaseException:  # Ctrl-C too: nobody else knows of the process yet
            self.kill()
            raise

    def ask(self, request: Any) -> None:
        """Send a request; `answer` waits for what comes of it."""
        self._connection.send(request)

    def answer(self, seconds: float = ANSWER_SECONDS) -> Any:
        """Wait for its next answer.

        Raises:
            RingbufError: it answered with this error, ended, or did not answer in time.
        """
        if not self._connection.poll(seconds):
            raise RingbufError(f"{self._name} process did not answer within {seconds:.0f} s")
        try:
            answer = self._connection.recv()
        except EOFError as error:
            raise RingbufError(f"{self._name} process ended") from error
        if isinstance(answer, RingbufError):
            raise answer
        return answer

    def end(self, seconds: float) -> None:
        """Ask it to end, with None as the request; kill it if it takes longer."""
        with suppress(OSError):
            self._connection.send(None)
        self._process.join(seconds)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()
