"""Fills of 1, 3, 9, 27 … of either side: each sum of some of them is another number, so a quantity tells which it has.

The venue tells fills in one stream and positions in another, which drop, delay, repeat and reorder. The strategy's
process starts again now and then.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ringbuf.strategies.account import Account, PositionUpdate, Snapshot
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages
from tests.model.mail import Mail

BEGIN_NS = 1_700_000_000_000_000_000
STEPS = 120
MOST = 30
NAMES = {"exchange": "v", "account": "A", "symbol": "S"}


class HeldFills:
    """One account and its venue. Times are steps.

    Attributes:
        fills: those that happened, signed, by their numbers.
        heard: numbers of those that the strategy was told.
    """

    def __init__(self, draw: random.Random) -> None:
        self.now = 1
        self.fills: dict[int, int] = {}
        self.heard: set[int] = set()
        self.pages = OrderPages(inventory=Inventory(lookback=None))
        self._draw = draw
        self._is_timed, self._coarse = draw.random() < 0.7, draw.choice((1, 1, 3))
        self._late, self._delay = draw.choice((0, 0, 3)), draw.choice((0, 3, 8))
        self._drops, self._repeats = draw.choice((0, 0, 0.2)), draw.choice((0, 0.3))
        self._restarts = draw.choice((0, 0.05))
        self._told: list[tuple[int, dict[str, Any]]] = []
        self.account: Account
        self._start()

    def run(self) -> None:
        """Some steps, with a check after each message.

        Raises:
            AssertionError: a quantity that is not stale has not each fill that was heard, or has another one, or one
                twice.
        """
        for self.now in range(1, STEPS):
            if len(self.fills) < MOST and self._draw.random() < 0.25:
                self._fill()
            if self._draw.random() < self._restarts:
                self._start()
            for arrive in self._mail.due(self.now):
                arrive()
                self._check()
            self.account.tick()

    def _check(self) -> None:
        held = self.account.position("S")
        if held.stale:
            return
        found = summands(int(held.highest))
        assert held.lowest == held.highest
        assert found.items() <= self.fills.items(), f"{held} has what was not filled, or one twice"
        assert self.heard <= found.keys(), f"{held} has not all of {self.heard}"

    def _start(self) -> None:
        """The process begins, with the pages that its records give it, and looks at what the venue knows."""
        self.pages.handlers.clear()
        self._mail = Mail()
        self._sent = {"fills": 0, "positions": 0}
        timeout, clock = timedelta(microseconds=15), lambda: self.now * 1_000
        self.account = Account(self.pages, "v", "A", ask=self._ask, timeout=timeout, clock=clock)
        for stream in self._sent:
            self.account.heard(stream, 0)
        self._hear(self._told)
        self._ask("start")

    def _ask(self, why: str) -> None:
        """Fills are asked for before the position or with it."""
        is_apart = self._draw.random() < 0.5
        asked_ns = self.account.asking()
        if is_apart:
            self._hear(self._told)

        def answer() -> None:
            position, told = sum(self.fills.values()), [] if is_apart else [*self._told]
            at = self._time() if self._is_timed else 0

            def arrive() -> None:
                self._hear(told)
                self.account.apply(Snapshot(asked_ns, positions={"S": position}, exchange_ns=at))

            if self._draw.random() >= self._drops:
                self._post(arrive, self._draw.randrange(4))

        self._post(answer, self._draw.randrange(3))

    def _fill(self) -> None:
        number, sign = len(self.fills), self._draw.choice((1, -1))
        self.fills[number] = sign * 3**number
        ids = {"order_id": f"o{number}", "trade_id": f"t{number}", "side": "buy" if sign > 0 else "sell"}
        fill = {"exec_type": "fill", "last_quantity": 3**number, "last_price": 1, "exchange_ns": self._time()}
        told = number, {**NAMES, **ids, **fill}
        self._told.append(told)
        self._send("fills", lambda: self._hear([told]), 0)
        at = self._time(self._late) if self._is_timed else 0
        update = PositionUpdate("S", sum(self.fills.values()), at)
        self._send("positions", lambda: self.account.apply(update), self._late)

    def _hear(self, told: list[tuple[int, dict[str, Any]]]) -> None:
        for number, fill in told:
            self.pages.apply(fill)
            self.heard.add(number)

    def _time(self, later: int = 0) -> int:
        return BEGIN_NS + (self.now + later) // self._coarse * self._coarse * 1_000

    def _send(self, stream: str, take: Callable[[], object], late: int) -> None:
        self._sent[stream] += 1
        number = self._sent[stream]

        def arrive() -> None:
            self.account.heard(stream, number)
            take()

        if self._draw.random() >= self._drops:
            self._post(arrive, late + self._draw.randint(0, self._delay))
            if self._draw.random() < self._repeats:
                self._post(arrive, late + self._draw.randint(0, 3 * self._delay))

    def _post(self, arrive: Callable[[], None], delay: int) -> None:
        self._mail.post(arrive, self.now + delay)


def summands(number: int) -> dict[int, int]:
    """The signed powers of 3 that a number is the sum of, by their exponents; there is one such set."""
    found, power = {}, 0
    while number:
        digit = (number + 1) % 3 - 1
        if digit:
            found[power] = digit * 3**power
        number, power = (number - digit) // 3, power + 1
    return found
