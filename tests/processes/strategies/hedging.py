"""A strategy that hedges on a real ring and is killed at a step, again and again, each time to begin anew.

Run as `python -m tests.processes.strategies.hedging DIRECTORY`. For each number of steps that there is, a strategy of
its own is killed by SIGKILL at that step, started anew until it has done all, and a line says what the venue has of it.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from ringbuf import Observer
from ringbuf.strategies import Recorder
from ringbuf.strategies.hedger import Hedge, HedgeOrder, Hedger
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages

MAKER = {"exchange": "maker", "account": "A", "symbol": "M", "strategy": "s", "order_id": "m", "side": "buy"}
FILLS = [
    {**MAKER, "exec_type": "fill", "trade_id": f"t{number}", "last_quantity": "0.7", "last_price": "9"}
    for number in range(1, 4)
]
HEDGE = Hedge(exchange="hedge", account="B", symbol="H", step=Decimal("0.5"))
NAMES = {"exchange": "hedge", "account": "B", "symbol": "H", "strategy": "s"}


class Venue:
    """What the hedge's venue knows, in a file that outlives the strategy."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def orders(self) -> list[dict[str, str]]:
        """All orders it ever got; each is filled at once."""
        return [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []

    def take(self, order: HedgeOrder) -> None:
        """An order reaches it."""
        line = {
            "client_order_id": order.client_order_id,
            "side": order.side.name.lower(),
            "quantity": str(order.quantity),
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def updates(self) -> Iterator[dict[str, Any]]:
        """What it tells of its orders."""
        for place, order in enumerate(self.orders()):
            ids = {"client_order_id": order["client_order_id"], "order_id": f"O{place}", "side": order["side"]}
            fill = {"exec_type": "fill", "trade_id": f"T{place}", "last_quantity": order["quantity"], "last_price": "9"}
            yield {**NAMES, **ids, **fill, "quantity": order["quantity"], "cumulative_quantity": order["quantity"]}


class Strategy:
    """One process of it. It is killed when it has taken so many steps."""

    def __init__(self, name: str, venue: Venue, steps: int) -> None:
        self._venue = venue
        self._left = steps
        recorder = Recorder.open(name, capacity=1024)
        self._pages = OrderPages(recorder, Inventory(hedges=lambda order: HEDGE if order.key.symbol == "M" else None))
        self._pages.on_delta(self._step)  # an update is recorded, and not hedged
        self._hedger = Hedger(self._pages, self._send, strategy="s", client_order_id=self._next_id)
        for record in Observer.open(name).read(0).records:
            self._pages.apply(record)

    def _step(self, _: object = None) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)

    def run(self) -> bool:
        """Look back, trade, and end flat; whether the steps were not enough to kill it."""
        for update in self._venue.updates():
            self._pages.apply(update)
        known = {each["client_order_id"] for each in self._venue.orders()}
        for page in self._pages.open_pages():
            if page.key.symbol == "H" and page.client_order_id not in known:
                self._pages.apply({**NAMES, "client_order_id": page.client_order_id, "exec_type": "rejected"})
        for update in FILLS:  # all of them: the maker's venue tells again what it told before
            self._pages.apply(update)
            self._look_at_venue()
        self._hedger.flush()
        self._look_at_venue()
        (balance,) = self._hedger.balances().values()
        print(json.dumps([*map(str, balance), self._venue.orders()]), flush=True)
        return self._left > 0

    def _look_at_venue(self) -> None:
        for update in list(self._venue.updates()):
            self._pages.apply(update)

    def _send(self, order: HedgeOrder) -> None:
        self._step()
        self._venue.take(order)
        self._step()

    def _next_id(self, _: Hedge) -> str:
        return f"h-{os.getpid()}-{len(self._venue.orders())}-{self._left}"


def main(directory: Path) -> None:
    """Kill one strategy at its first step, the next one at its second, and so on, until one is not killed."""
    steps, is_killed = 1, True
    while is_killed:
        venue, name = Venue(directory / f"venue-{steps}"), f"strategy-{steps}"
        is_killed = not ended(name, venue, steps)
        if is_killed and not ended(name, venue, 10**6):
            raise RuntimeError("a strategy ended that was not killed")
        steps += 1
    print(json.dumps(steps))


def ended(name: str, venue: Venue, steps: int) -> bool:
    """Run a strategy in a child; whether it ended by itself."""
    child = os.fork()
    if not child:
        os._exit(0 if Strategy(name, venue, steps).run() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
