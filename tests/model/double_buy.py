"""A strategy that tops up to a target, under feeds that drop, delay, repeat and reorder: it never buys twice.

    python -m tests.model.double_buy --runs 100000 --seed 1

The venue fills orders in parts, cancels them, liquidates, and sometimes closes a part of the position from outside. It
tells orders in one stream and positions in another. How it does differs from run to run, see `Habits`. The strategy's
process starts again now and then: its records give it its pages, and of the account only the venue knows.
"""

import argparse
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ringbuf.strategies.account import Account, PositionUpdate, Snapshot
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages
from tests.model.mail import Mail

TARGET = 10
TIMEOUT = 20
STEPS = 60
NAMES = {"exchange": "sim", "account": "A", "symbol": "X", "strategy": "s"}
BEGIN_NS = 1_700_000_000_000_000_000


@dataclass
class Habits:
    """How a venue tells, and how bad its feeds are.

    Attributes:
        totals: whether updates of orders tell what was executed in all; if not, its streams have numbers.
        numbered: whether they have.
        timed: whether positions have times.
        late: how long after a change the position is told, and stamped.
        apart: whether what was traded is asked for some steps before the position.
        coarse: how many of our steps are one tick of its clock, so that several changes have one time.
        restarts: how probable it is at each step that the strategy's process starts again.
    """

    totals: bool
    numbered: bool
    timed: bool
    late: int
    apart: bool
    coarse: int
    drops: float
    repeats: float
    delay: int
    restarts: float

    @classmethod
    def of(cls, draw: random.Random) -> "Habits":
        totals = draw.random() < 0.7
        return cls(
            totals=totals, numbered=not totals or draw.random() < 0.3, timed=draw.random() < 0.8,
            late=draw.choice((0, 0, 3)), apart=draw.random() < 0.5, coarse=draw.choice((1, 4)),
            drops=draw.choice((0.0, 0.1, 0.4)), repeats=draw.choice((0.0, 0.2)), delay=draw.choice((0, 3, 12)),
            restarts=draw.choice((0.0, 0.04)),
        )  # fmt: skip


class Venue:
    """What is true."""

    def __init__(self) -> None:
        self.position = 0
        self.orders: dict[str, dict[str, Any]] = {}
        self.trades: list[dict[str, Any]] = []

    @property
    def working(self) -> int:
        return sum(each["quantity"] - each["filled"] for each in self.orders.values() if each["works"])


class Run:
    """One strategy and its venue."""

    def __init__(self, seed: str) -> None:
        self.draw = random.Random(seed)
        self.habits = Habits.of(self.draw)
        self.now = 0
        self.venue = Venue()
        self.pages = OrderPages(inventory=Inventory(lookback=None))
        self._is_quiet = False
        self._start()

    def _start(self) -> None:
        """The process begins, with the pages that its records give it."""
        self.pages.handlers.clear()
        self.account = Account(
            self.pages,
            "sim",
            "A",
            ask=self._ask,
            timeout=timedelta(microseconds=TIMEOUT),
            clock=lambda: self.now * 1_000,
        )
        self._mail = Mail()
        self._sent = {"orders": 0, "positions": 0}
        for stream in self._sent:
            self.account.heard(stream, 0)  # the answer to the subscription
        self._apply_all(self._told())
        self._ask("start")

    def run(self) -> None:
        """Some steps with all faults, then as many as it takes without them.

        Raises:
            AssertionError: it bought twice, or does not come to its target.
        """
        for self.now in range(STEPS):
            self._step()
        self._is_quiet = True
        self.account.gap("the feeds are connected anew")
        for self.now in range(STEPS, 40 * STEPS):
            self._step()
            if self.venue.position == TARGET and not self._mail:
                return
        raise AssertionError(f"it holds {self.venue.position}, and knows {self.account.position('X')}, {self.habits}")

    def _step(self) -> None:
        if not self._is_quiet and self.draw.random() < self.habits.restarts:
            self._start()
        self._act()
        self._deliver()
        self._trade()
        self.account.tick()

    # The strategy

    def _trade(self) -> None:
        held = self.account.position("X")
        if held.stale:
            return
        missing = TARGET - held.highest - self.pages.inventory.position("sim", "A", "X").open_buy
        if missing > 0:
            name = f"c{len(self.venue.orders)}"
            request = {
                "exec_type": "pending_new",
                "order_status": "pending_new",
                "side": "buy",
                "client_order_id": name,
            }
            self.pages.apply({**NAMES, **request, "quantity": Decimal(int(missing))})
            self.venue.orders[name] = {"quantity": int(missing), "filled": 0, "works": True}
            assert self.venue.position + self.venue.working <= TARGET, f"it bought twice: {self.habits}"
            self._tell_order(name, exec_type="new", order_status="new")

    def _ask(self, why: str) -> None:
        """The venue's answer is of a later moment, and comes later still, if at all."""
        if self.habits.apart:
            self._apply_all(self._told())
        asked_ns = self.account.asking()

        def answer() -> None:
            position, told = Decimal(self.venue.position), [] if self.habits.apart else self._told()
            at = self._time() if self.habits.timed else 0

            def arrive() -> None:
                self._apply_all(told)
                self.account.apply(Snapshot(asked_ns, positions={("X", ""): position}, exchange_ns=at))

            if self._is_quiet or self.draw.random() >= self.habits.drops:
                self._post(arrive, self.draw.randrange(3))

        self._post(answer, self.draw.randrange(3))

    def _told(self) -> list[dict[str, Any]]:
        """All that the venue tells of trades and orders when it is asked."""
        return [*map(dict, self.venue.trades), *(self._state(name) for name in self.venue.orders)]

    def _apply_all(self, told: list[dict[str, Any]]) -> None:
        for each in told:
            self.pages.apply(each | {"origin": "lookback"})

    # The venue

    def _act(self) -> None:
        working = [name for name, each in self.venue.orders.items() if each["works"]]
        if working and self.draw.random() < 0.5:
            name = self.draw.choice(working)
            order = self.venue.orders[name]
            left = order["quantity"] - order["filled"]
            if not self._is_quiet and self.draw.random() < 0.3:
                order["works"] = False
                self._tell_order(name, exec_type="canceled", order_status="canceled")
                return
            quantity = self.draw.randint(1, left)
            order["filled"] += quantity
            order["works"] = order["filled"] < order["quantity"]
            self.venue.position += quantity
            self._tell_trade(name, quantity)
        elif not self._is_quiet and self.venue.position and self.draw.random() < 0.1:
            quantity = self.draw.randint(1, self.venue.position)
            name = f"l{len(self.venue.orders)}"
            self.venue.orders[name] = {"quantity": quantity, "filled": quantity, "works": False, "side": "sell"}
            self.venue.position -= quantity
            self._tell_trade(name, quantity)
        elif not self._is_quiet and self.venue.position and self.draw.random() < 0.03:
            self.venue.position -= self.draw.randint(1, self.venue.position)
            self._tell_position()

    def _tell_trade(self, name: str, quantity: int) -> None:
        status = "partially_filled" if self.venue.orders[name]["works"] else "filled"
        fill = {"exec_type": "fill", "last_quantity": Decimal(quantity), "trade_id": f"t{len(self.venue.trades)}"}
        self.venue.trades.append(self._tell_order(name, order_status=status, **fill))
        self._tell_position()

    def _time(self) -> int:
        return BEGIN_NS + self.now // self.habits.coarse * self.habits.coarse

    def _state(self, name: str, **fields: Any) -> dict[str, Any]:
        order = self.venue.orders[name]
        ids = {"client_order_id": name, "order_id": f"o-{name}", "exchange_ns": self._time()} | {
            "side": order.get("side", "buy")
        }
        over = "filled" if order["filled"] == order["quantity"] else "canceled"
        works = "partially_filled" if order["filled"] else "new"
        total = {"cumulative_quantity": Decimal(order["filled"])}
        state = {"order_status": works if order["works"] else over, "quantity": Decimal(order["quantity"])}
        return {**NAMES, **ids, "exec_type": "order_status", **state, **total, **fields}

    def _tell_order(self, name: str, **fields: Any) -> dict[str, Any]:
        update = self._state(name, **fields)
        if not self.habits.totals:
            del update["cumulative_quantity"]
        self._send("orders", lambda: self.pages.apply(update), 0)
        return update

    def _tell_position(self) -> None:
        position = Decimal(self.venue.position)
        at = BEGIN_NS + (self.now + self.habits.late) // self.habits.coarse * self.habits.coarse
        update = PositionUpdate("X", position, at if self.habits.timed else 0)
        self._send("positions", lambda: self.account.apply(update), self.habits.late)

    # The feeds

    def _send(self, stream: str, take: Callable[[], object], late: int) -> None:
        self._sent[stream] += 1
        number = self._sent[stream]

        def arrive() -> None:
            if self.habits.numbered:
                self.account.heard(stream, number)
            take()

        if self._is_quiet:
            self._post(arrive, late)
        elif self.draw.random() >= self.habits.drops:
            self._post(arrive, late + self.draw.randint(0, self.habits.delay))
            if self.draw.random() < self.habits.repeats:
                self._post(arrive, late + self.draw.randint(0, 3 * self.habits.delay))

    def _post(self, arrive: Callable[[], None], delay: int) -> None:
        self._mail.post(arrive, self.now + delay)

    def _deliver(self) -> None:
        for arrive in self._mail.due(self.now):
            arrive()
            self._trade()


def main() -> int:
    """Run so many; whether one bought twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    for number in range(options.runs):
        try:
            Run(f"{options.seed}-{number}").run()
        except AssertionError as error:
            print(f"run {options.seed}-{number}: {error}")
            return 1
        if not (number + 1) % 10_000:
            print(f"{number + 1:,} runs", file=sys.stderr, flush=True)
    print(f"{options.runs:,} runs, and none bought twice or missed its target")
    return 0


if __name__ == "__main__":
    sys.exit(main())
