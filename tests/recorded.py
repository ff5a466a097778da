"""Executions recorded by a test, remembered independently of the product, and compared with the database."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.ring.producer import FULL
from ringbuf.strategies import Recorder

COMPARED = (
    "exchange_ns", "exec_type", "order_status", "side", "liquidity", "price", "quantity", "last_price",
    "last_quantity", "cumulative_quantity", "commission", "exchange", "account", "strategy", "symbol",
    "client_order_id", "order_id", "trade_id", "commission_currency", "text", "position_side", "trade_type",
    "market_ns", "arrival_price", "user",
)  # fmt: skip


def random_fill(draw: random.Random) -> dict[str, Any]:
    """What a fill says beside whose it is and its ids; each value as the database gives it back."""
    return {
        "exchange_ns": 1_700_000_000_000_000_000 + draw.randrange(10**15),
        "exec_type": "fill",
        "order_status": draw.choice(["partially_filled", "filled"]),
        "side": draw.choice(["buy", "sell"]),
        "liquidity": draw.choice(["maker", "taker", "unknown"]),
        "price": draw.randrange(1, 10**7) / 100,
        "quantity": draw.randrange(1, 10**6) / 1000,
        "last_price": draw.randrange(1, 10**7) / 100,
        "last_quantity": draw.randrange(1, 10**6) / 1000,
        "cumulative_quantity": draw.random(),
        "commission": draw.randrange(-1000, 1000) / 10**6,
        "commission_currency": draw.choice(["BTC", "USDT"]),
        "text": draw.choice(["", "žluť", "post only would cross"]),
        "position_side": draw.choice(["both", "long", "unknown"]),
        "trade_type": draw.choice(["regular", "liquidation"]),
        "market_ns": 1_700_000_000_000_000_000 + draw.randrange(10**15),
        "arrival_price": draw.randrange(1, 10**7) / 100,
        "user": "" if draw.random() < 0.99 else "ann",  # in the rear of a record, where there is mostly nothing
    }


class Recorded:
    """Records seeded random fills into one ring and knows what must be stored."""

    def __init__(self, ring: str, seed: int = 1, capacity: int | None = None) -> None:
        self._random = random.Random(f"{ring} {seed}")
        self.ring = ring
        self.recorder = Recorder.open(ring, capacity=capacity)
        self.session = self.recorder.producer.session
        self.expected: list[tuple[Any, ...]] = []
        self.full = 0
        self._bound = self.recorder.bind(exchange="deribit", account="A-1", symbol="BTC-PERPETUAL", strategy=ring)

    def record(self, count: int) -> None:
        """Record `count` fills."""
        for _ in range(count):
            self._record_one()

    def _record_one(self) -> None:
        number = self._random.randrange(10**9)
        fields = random_fill(self._random) | {
            "client_order_id": f"c-{number}",
            "order_id": f"o-{number // 3}",
            "trade_id": f"t-{len(self.expected)}-{number}",
        }
        seq = self._bound.fill(**fields)
        if seq == FULL:
            self.full += 1
            return
        assert seq == len(self.expected), f"expected seq {len(self.expected)}, got {seq}"
        fixed = {"exchange": "deribit", "account": "A-1", "strategy": self.ring, "symbol": "BTC-PERPETUAL"}
        both = {**fields, **fixed}
        self.expected.append(tuple(both[name] for name in COMPARED))

    def close(self) -> None:
        """Close the recorder."""
        self.recorder.close()


@contextmanager
def recording(*rings: Recorded) -> Iterator[None]:
    """Record about 2,000 fills a second in a thread."""
    over = threading.Event()

    def record() -> None:
        while not over.wait(0.005):
            for ring in rings:
                ring.record(10 // len(rings))

    thread = threading.Thread(target=record)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def check_stored(client: Client, database: str, *recorded: Recorded, raw: bool = True) -> None:
    """Every record of these rings is in the database once, with the values it was recorded with, and nothing else.

    Args:
        raw: also without FINAL there is no copy.
    """
    table = f"`{database}`.executions"
    for each in recorded:
        where = f"WHERE session = {each.session}"
        columns = ", ".join(f"toUnixTimestamp64Nano({name})" if name.endswith("_ns") else name for name in COMPARED)
        rows = client.query(f"SELECT seq, {columns} FROM {table} FINAL {where} ORDER BY seq").result_rows
        assert [row[0] for row in rows] == list(range(len(each.expected))), f"{each.ring}: seqs differ"
        for row, wanted in zip(rows, each.expected, strict=True):
            assert tuple(row[1:]) == wanted, f"{each.ring}: record {row[0]} differs"
    total = sum(len(each.expected) for each in recorded)
    assert client.query(f"SELECT count() FROM {table} FINAL").result_rows == [(total,)]
    if raw:
        assert client.query(f"SELECT count() FROM {table}").result_rows == [(total,)]


def wait_stored(server: ClickHouse, database: str, *recorded: Recorded) -> None:
    """Wait until the database has as many records as these rings have recorded."""
    wait_rows(server, database, sum(len(each.expected) for each in recorded))


def wait_rows(server: ClickHouse, database: str, count: int) -> None:
    """Wait until the database has so many records."""

    def is_stored() -> bool:
        try:
            return bool(client.query(f"SELECT count() FROM `{database}`.executions FINAL").result_rows == [(count,)])
        except DatabaseError:
            return False  # there is no such table at the moment

    with server.client() as client:
        wait_until(is_stored, f"{count} records are stored")


def position(recorded: Recorded) -> Decimal:
    """Bought minus sold, from what was recorded."""
    side, quantity = COMPARED.index("side"), COMPARED.index("last_quantity")
    signs = {"buy": 1, "sell": -1}
    return sum((signs[row[side]] * Decimal(repr(row[quantity])) for row in recorded.expected), Decimal(0))


def check_derived(client: Client, database: str, *recorded: Recorded) -> None:
    """Each fill of these rings is one fill, and the positions are the sums of them."""
    of = {each: COMPARED.index(each) for each in ("side", "last_quantity", "trade_id", "strategy")}
    expected: dict[str, list[Decimal]] = {}
    for row in (row for each in recorded for row in each.expected):
        amounts = expected.setdefault(row[of["strategy"]], [Decimal(0), Decimal(0), Decimal(0)])
        amounts[row[of["side"]] == "sell"] += Decimal(str(row[of["last_quantity"]]))
        amounts[2] += 1
    sums = "sum(bought_quantity), sum(sold_quantity), toDecimal64(sum(fills), 0)"
    found = client.query(f"SELECT strategy, {sums} FROM `{database}`.positions GROUP BY strategy").result_rows
    got = {name: [*amounts] for name, *amounts in found}
    assert got == expected, (got, expected)
    trades = client.query(f"SELECT trade_id FROM `{database}`.fills").result_rows
    told = [row[of["trade_id"]] for each in recorded for row in each.expected]
    assert sorted(str(trade) for (trade,) in trades) == sorted(told)
