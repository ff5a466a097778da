"""Maker orders and their hedge orders that others took the place of, again and again, and what is true of them."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ringbuf.trading.hedge import Hedge
from ringbuf.trading.report import Instrument

Fields = dict[str, Any]
HedgeOf = Callable[[Instrument], Hedge | None]

BEGIN_NS = 1_790_000_000_000_000_000
RATIO = Decimal("-0.25")
SYMBOLS = ("X", "Y")


def hedge_of(key: Instrument) -> Hedge | None:
    """How the strategy hedges: all that maker orders execute."""
    if key.exchange != "makers":
        return None
    return Hedge(exchange="hedges", account=key.account, symbol=key.symbol.lower(), step=Decimal("0.1"), ratio=RATIO)


class HedgeChains:
    """Some maker orders, each hedged by some others. What happens to an order is told by its records, in their order.

    Attributes:
        begin: a record of each maker order, captured before anything hedges it.
        requests: of the first order of each chain of hedge orders; its link is told there alone.
        records: all others.
        owed, filled: by hedge symbol, what was executed.
    """

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._is_timed = draw.random() < 0.5
        self._number = 0
        self.begin: list[Fields] = []
        self.requests: list[Fields] = []
        self.records: list[Fields] = []
        self.owed = dict.fromkeys(("x", "y"), Decimal(0))
        self.filled = dict.fromkeys(("x", "y"), Decimal(0))
        for _ in range(draw.randrange(1, 4)):
            self._maker(draw.choice(SYMBOLS))

    def arrivals(self, *, is_recorded_first: bool) -> list[Fields]:
        """All records in some order, with copies.

        Args:
            is_recorded_first: requests come before what the venue tells of the order.
        """
        draw, records = self._draw, [*self.records]
        records += [dict(draw.choice(records)) for _ in range(draw.randrange(3))]
        if not is_recorded_first:
            records += self.requests
        draw.shuffle(records)
        return [
            *draw.sample(self.begin, len(self.begin)),
            *self.requests[: len(self.requests) * is_recorded_first],
            *records,
        ]

    def _maker(self, symbol: str) -> None:
        side, sign = self._draw.choice((("buy", 1), ("sell", -1)))
        named = {"exchange": "makers", "symbol": symbol, "side": side}
        told, executed = self._chain(named, {})
        self.owed[symbol.lower()] -= sign * executed * RATIO
        names = sorted({each[name] for each in told for name in ("order_id", "client_order_id") if name in each})
        known: set[str] = set()
        for each in told:
            is_first = "order_id" in each and each["order_id"] not in known
            (self.begin if is_first else self.records).append(each)
            known.add(each.get("order_id", ""))
        for _ in range(self._draw.randrange(1, 4)):
            self._hedge(symbol.lower(), self._draw.choice(names))

    def _hedge(self, symbol: str, link_id: str) -> None:
        side, sign = self._draw.choice((("buy", 1), ("sell", -1)))
        named = {"exchange": "hedges", "symbol": symbol, "side": side}
        told, executed = self._chain(named, {"link_id": link_id, "hedge_ratio": float(RATIO)})
        self.filled[symbol] += sign * executed
        self.requests.append(told[0])
        self.records += told[1:]

    def _chain(self, named: Fields, asked: Fields) -> tuple[list[Fields], Decimal]:
        """The records of an order and of those that took its place, and what they executed in all."""
        draw, told, executed = self._draw, list[Fields](), Decimal(0)
        client_order_id, order_id = self._name("c"), self._name("o")
        request = {"exec_type": "pending_new", "order_status": "pending_new", "quantity": 10.0}
        if asked or draw.random() < 0.5:
            told.append({**named, **request, **asked, "strategy": "s", "client_order_id": client_order_id})
        news: Fields = {"exec_type": "new", "order_status": "new", "quantity": 10.0, "strategy": "s"}
        told.append(self._told(named, order_id, client_order_id, news))
        for _ in range(draw.randrange(6)):
            former, kind = client_order_id, draw.random()
            if kind < 0.5:
                quantity = Decimal(draw.randrange(1, 20)) / 10
                executed += quantity
                fill = {"exec_type": "fill", "trade_id": self._name("t"), "last_quantity": float(quantity)}
                told.append(self._told(named, order_id, client_order_id, {**fill, "last_price": 100.0}))
                continue
            client_order_id, order_id = self._name("c"), order_id if kind < 0.6 else self._name("o")
            if draw.random() < 0.3:
                asked_for = {"exec_type": "pending_replace", "client_order_id": client_order_id}
                told.append({**named, **asked_for, "orig_client_order_id": former, "quantity": 10.0})
            replaced = {"exec_type": "replaced", "order_status": "new", "quantity": 10.0}
            told.append(self._told(named, order_id, client_order_id, {**replaced, "orig_client_order_id": former}))
        if draw.random() < 0.4:
            over = {"exec_type": "canceled", "order_status": "canceled"}
            told.append(self._told(named, order_id, client_order_id, over))
        return told, executed

    def _told(self, named: Fields, order_id: str, client_order_id: str, fields: Fields) -> Fields:
        self._number += 1
        at = {"exchange_ns": BEGIN_NS + self._number * 1_000} if self._is_timed else {}
        return {**named, "order_id": order_id, "client_order_id": client_order_id, **at, **fields}

    def _name(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number}"
