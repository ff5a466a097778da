"""The trading process of the experiment: N connections in one event loop, and one of several ways to save an order."""

import asyncio
import json
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar, Final

from websockets.asyncio.client import ClientConnection, connect

from ringbuf.strategies import Recorder

PAUSE_SECONDS: Final = 0.002
CAPACITY: Final = 65_536
"""Records of the ring: what one run saves at most, for the writer runs when nobody else wants to."""

Save = Callable[[dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Load:
    """What the exchange sends: `orders` on each of `connections`, `gap` seconds apart in the mean."""

    connections: int
    orders: int
    gap: float

    @property
    def title(self) -> str:
        """The load in a few words."""
        rate = f"mean gap {self.gap * 1e3:g} ms" if self.gap < 0.1 else f"{1 / self.gap:g}/s each"
        return f"N = {self.connections}, {self.orders:,} orders each, {rate}"


@dataclass(frozen=True)
class Outcome:
    """What one run took.

    Attributes:
        seconds: from the first request until every connection has got its last message.
        cpu: seconds of processor time that the trading process used meanwhile.
        response_ns: of each order, from the exchange's stamp to the end of its handling.
        saved: how many the coins said to save.
        kept: how many are where they were saved, as far as this process can tell.
        beside: seconds of processor time that others used meanwhile, by what they are.
    """

    seconds: float
    cpu: float
    response_ns: list[int]
    saved: int
    kept: int
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where to save: a directory of the run's own, and the name and namespace of its ring."""

    directory: Path
    ring: str
    namespace: str


class Saving:
    """One way to save an order; this one does not."""

    name: ClassVar[str] = "noop"

    def __init__(self, place: Place) -> None:
        self.place = place

    async def save(self, order: dict[str, Any]) -> None:
        """Save one order."""

    def kept(self, saved: int) -> int:
        """How many orders are saved."""
        return saved

    def close(self) -> None:
        """Let go of what it saves to."""


class Blocking(Saving):
    """Blocks the loop, as a call of a database does."""

    name = "blocking 2 ms"

    async def save(self, order: dict[str, Any]) -> None:
        """Sleep, loop and all."""
        time.sleep(PAUSE_SECONDS)


class Awaited(Saving):
    """Waits without blocking the loop: only the connection waits."""

    name = "awaited 2 ms"

    async def save(self, order: dict[str, Any]) -> None:
        """Sleep alone."""
        await asyncio.sleep(PAUSE_SECONDS)


class SqliteInLoop(Saving):
    """A commit for each order, with a write-ahead log."""

    name = "sqlite3 WAL, in the loop"
    _INSERT = "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._connection = sqlite3.connect(
            place.directory / "orders.db", isolation_level=None, check_same_thread=False, timeout=60
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(
            "CREATE TABLE orders (symbol TEXT, side TEXT, price REAL, quantity REAL, client_order_id TEXT,"
            " order_id TEXT, sent_ns INTEGER)"
        )

    def insert(self, order: dict[str, Any]) -> None:
        """Insert and commit."""
        names = ("symbol", "side", "price", "quantity", "client_order_id", "order_id", "sent_ns")
        self._connection.execute(self._INSERT, [order[name] for name in names])

    async def save(self, order: dict[str, Any]) -> None:
        """In the loop."""
        self.insert(order)

    def kept(self, saved: int) -> int:
        """Rows of the table, if they are all different."""
        query = "SELECT count(), count(DISTINCT client_order_id) FROM orders"
        rows, different = self._connection.execute(query).fetchone()
        return int(rows) if rows == different else -1

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


class SqliteInThread(SqliteInLoop):
    """The same in a thread, awaited."""

    name = "sqlite3 WAL, in a thread"

    async def save(self, order: dict[str, Any]) -> None:
        """In a thread."""
        await asyncio.to_thread(self.insert, order)


class RingSaving(Saving):
    """The recorder. The writer stores what it records; who runs the experiment asks the database."""

    name = "ringbuf"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._recorder = Recorder.open(place.ring, capacity=CAPACITY, namespace=place.namespace)
        self._order = self._recorder.bind(
            exchange="simulated", account="A1", symbol="BTC-PERPETUAL", strategy="experiment"
        ).order

    async def save(self, order: dict[str, Any]) -> None:
        """Record it."""
        self._order(
            exec_type="new",
            order_status="new",
            side=order["side"],
            price=order["price"],
            quantity=order["quantity"],
            client_order_id=order["client_order_id"],
            order_id=order["order_id"],
            exchange_ns=order["sent_ns"],
        )

    def kept(self, saved: int) -> int:
        """Records in the ring or taken from it."""
        return self._recorder.producer.head

    def close(self) -> None:
        """Close the ring."""
        self._recorder.close()


class HiddenRingSaving(RingSaving):
    """The same, but the writer is not shown the ring before the run is over: what saving alone costs."""

    name = "ringbuf, writer later"


SAVINGS: Final[dict[str, type[Saving]]] = {
    each.name: each for each in (Saving, RingSaving, HiddenRingSaving, Awaited, SqliteInLoop, SqliteInThread, Blocking)
}


async def _listen(connection: ClientConnection, seed: int, load: Load, save: Save, response_ns: list[int]) -> int:
    coin = random.Random(-seed)
    saved = 0
    await connection.send(json.dumps({"seed": seed, "orders": load.orders, "gap": load.gap}))
    async for text in connection:
        order = json.loads(text)
        if order["event"] == "end":
            break
        if coin.random() < 0.5:
            await save(order)
            saved += 1
        response_ns.append(time.time_ns() - order["sent_ns"])
    return saved


async def _run(port: int, load: Load, saving: Saving) -> Outcome:
    url = f"ws://127.0.0.1:{port}"
    connecting = (connect(url, compression=None, proxy=None) for _ in range(load.connections))
    connections = await asyncio.gather(*connecting)
    response_ns: list[int] = []
    begin, begin_cpu = time.perf_counter(), time.process_time()
    saved = sum(
        await asyncio.gather(
            *(_listen(each, seed, load, saving.save, response_ns) for seed, each in enumerate(connections, 1))
        )
    )
    seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    await asyncio.gather(*(each.close() for each in connections))
    return Outcome(seconds, cpu, response_ns, saved, saving.kept(saved))


def trade(answers: Connection, port: int, load: Load, name: str, place: Place) -> None:
    """One run, in a process of its own; the one answer is an `Outcome`."""
    saving = SAVINGS[name](place)
    try:
        answers.send(asyncio.run(_run(port, load, saving)))
    finally:
        saving.close()
