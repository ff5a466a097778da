"""Handlers: functions and coroutine functions that are told of each delta.

Each gets all deltas, one after another, in the order in which they were applied. What one raises is logged and counted,
and the others do not notice. A plain function runs in a thread that applies updates, so it should be quick: one that is
slow is logged and counted, and the others come before it from then on. A coroutine function runs in the event loop, and
what it waits for holds up nobody but itself.
"""

import asyncio
import contextlib
import functools
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, TypeAlias

from ringbuf.trading.delta import Delta

LOGGER: Final = logging.getLogger("ringbuf.orders")
SLOW: Final = 0.01
"""A plain function is slow if one call takes longer, in seconds; pauses of the interpreter are shorter."""
MANY: Final = 1_000
"""It is said when so many deltas wait for a coroutine function."""

RAISED: Final = (Exception, asyncio.CancelledError)
"""What a plain function of the user may raise. It awaits nothing, so it was something else that was cancelled."""
_RAISED: Final = "handler %s raised; each kind of error is logged once, all are counted"

Function: TypeAlias = Callable[[Delta], None] | Callable[[Delta], Awaitable[None]]


class Handler:
    """What is known of one handler.

    Attributes:
        name: of the function, for logs.
        failed: calls that raised.
        slow: calls of a plain function that took longer than `SLOW`.
    """

    def __init__(self, function: Callable[[Delta], Any]) -> None:
        self.name = _name(function)
        self.failed = self.slow = 0
        self._function = function
        self._said: set[object] = set()

    @property
    def waiting(self) -> int:
        """Deltas that it has not been given yet."""
        return 0

    def give(self, delta: Delta) -> bool:
        """Hand it a delta; whether that took no longer than it should."""
        begin = perf_counter()
        try:
            result = self._function(delta)
            if result is not None:
                self._check(result)
        except RAISED as error:
            if self._is_news(error):
                LOGGER.exception(_RAISED, self.name)
        took = perf_counter() - begin
        if took <= SLOW:
            return True
        self.slow += 1
        self._warn("slow", f"took {took * 1e3:,.1f} ms, and trading waits for it: let another thread do what is slow")
        return False

    def _check(self, result: object) -> None:
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError(f"{self.name} is a plain function that returns an awaitable: give the coroutine function")

    def _is_news(self, error: BaseException) -> bool:
        """Count an error; whether it is the first of its kind."""
        self.failed += 1
        is_news = type(error) not in self._said
        self._said.add(type(error))
        return is_news

    def _warn(self, kind: str, detail: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            LOGGER.warning("handler %s %s; logged once", self.name, detail)


class AsyncHandler(Handler):
    """A coroutine function. It is called in the event loop, and is given the next delta when it has returned.

    The loop is the one in which it was registered or first given a delta, and the running one when that is closed.
    Where there is none, deltas wait until one is given in a loop.
    """

    def __init__(self, function: Callable[[Delta], Any]) -> None:
        super().__init__(function)
        self._waiting: deque[Delta] = deque()
        self._loop = running_loop()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Deltas that it has not been given yet."""
        return len(self._waiting)

    def give(self, delta: Delta) -> bool:
        """Let it be called with a delta, behind those that wait; always quick."""
        self._waiting.append(delta)
        if len(self._waiting) == MANY:
            self._warn("many", f"has {MANY:,} deltas waiting: it is slow, or no event loop runs")
        running = running_loop()
        if self._loop is None or self._loop.is_closed():
            self._loop, self._task = running, None
        if self._loop is None:
            self._warn("no loop", "waits: no event loop runs where the update is applied")
        elif self._loop is running:
            self._start()
        else:
            with contextlib.suppress(RuntimeError):  # it was closed just now, and the delta waits for the next one
                self._loop.call_soon_threadsafe(self._start)
        return True

    def _start(self) -> None:
        if self._loop is not None and (self._task is None or self._task.done()):
            self._task = self._loop.create_task(self._run(), name=f"ringbuf {self.name}")

    async def _run(self) -> None:
        while self._waiting:
            try:
                await self._function(self._waiting.popleft())
            except asyncio.CancelledError as error:
                if self._task is not None and self._task.cancelling():
                    raise  # the loop ends
                if self._is_news(error):  # what the function waited for was cancelled
                    LOGGER.exception(_RAISED, self.name)
            except Exception as error:
                if self._is_news(error):
                    LOGGER.exception(_RAISED, self.name)


def handler_of(function: Function) -> Handler:
    """The handler that calls a function."""
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    return AsyncHandler(function) if is_async else Handler(function)


def _name(function: Callable[[Delta], Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread; None if none does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
