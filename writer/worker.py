"""A thread that does one task after the other."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class _Settling(AbstractContextManager[None]):
    """Whatever is raised is the future's: who asks for the result gets it."""

    def __init__(self, future: Future[T]) -> None:
        self._settle = future.set_exception

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Hand it over."""
        if error is not None:
            self._settle(error)
        return True


class Worker:
    """A daemon thread: those of an executor keep a process alive until a database that hangs has answered.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Have a task done after those that were submitted before; its result, or what it raised, is the future's."""
        future: Future[T] = Future()

        def work() -> None:
            with _Settling(future):
                future.set_result(task())

        self._tasks.put(work)
        return future

    def _run(self) -> None:
        while True:
            self._tasks.get()()
