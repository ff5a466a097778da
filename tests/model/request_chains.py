"""Chains of orders that took each other's place, with our requests for it, of which records are lost or come late."""

import random
from itertools import pairwise
from typing import Any

Fields = dict[str, Any]

BEGIN_NS = 1_790_000_000_000_000_000


def random_chain(seed: str) -> list[Fields]:
    """The records of one chain; an order may be replaced in place, or by another one under the next client id."""
    draw = random.Random(seed)
    told: list[Fields] = [_asked("pending_new", 5.0, "a")]
    if draw.random() < 0.7:
        told.append(_answered("new", 5.0, "a", "o1"))
    names, number = "abcde"[: draw.randint(2, 5)], 1
    for former, name in pairwise(names):
        quantity = 5.0 + names.index(name)
        if draw.random() < 0.7:
            told.append(_asked("pending_replace", quantity, name) | {"orig_client_order_id": former})
        number += draw.random() < 0.8
        order_id = f"o{number}"
        word, total = draw.choice(("new", "replaced", "order_status")), draw.choice((0.0, 0.0, 2.0))
        answer = _answered(word, quantity, name, order_id) | {"cumulative_quantity": total}
        told.append(answer | {"orig_client_order_id": former})
        if draw.random() < 0.4:
            fill = {"exec_type": "fill", "last_quantity": 1.0, "last_price": 1.0, "trade_id": f"t{name}", "side": "buy"}
            told.append(fill | {"order_id": order_id} | ({"client_order_id": name} if draw.random() < 0.6 else {}))
        if draw.random() < 0.2:
            canceled = {"exec_type": "canceled", "order_status": "canceled", "side": "buy", "order_id": order_id}
            told.append(canceled | {"client_order_id": "z", "orig_client_order_id": name})
    found = [each for each in told if draw.random() < 0.8] or told[:1]
    for _ in range(draw.choice((0, 0, 1, 3))):
        place = draw.randrange(len(found))
        found[place : place + 2] = reversed(found[place : place + 2])
    return found


class WholeChain:
    """A chain of which nothing is lost: each order works until the next one takes its place, or is replaced in place.

    Attributes:
        records: in the order in which they happened; each answer of the venue has its time.
        open: what the last order may still buy.
        position: what was bought by all.
    """

    def __init__(self, seed: str) -> None:
        draw = random.Random(seed)
        self._draw, self._ns = draw, BEGIN_NS
        self.records: list[Fields] = []
        self.open = self.position = 0.0
        is_asked, tells_end, word = draw.random() < 0.7, draw.random() < 0.3, draw.choice(("new", "replaced"))
        number, filled = 1, 0.0
        self._tell(_asked("pending_new", 9.0, "a"))
        self._answer(_answered("new", 9.0, "a", "o1"))
        for former, name in pairwise("abcdef"[: draw.randint(2, 6)]):
            quantity = 9.0 + ord(name) - ord("a")
            if is_asked:
                self._tell(_asked("pending_replace", quantity, name) | {"orig_client_order_id": former})
            if draw.random() < 0.7:
                if tells_end:
                    end = {"exec_type": "replaced", "order_status": "replaced", "side": "buy", "order_id": f"o{number}"}
                    self._answer(end | {"client_order_id": former})
                number, filled = number + 1, 0.0
            answer = _answered(word, quantity, name, f"o{number}") | {"cumulative_quantity": filled}
            self._answer(answer | {"orig_client_order_id": former})
            if draw.random() < 0.3:
                filled, self.position = filled + 1.0, self.position + 1.0
                fill = {"exec_type": "fill", "last_quantity": 1.0, "last_price": 1.0, "trade_id": name, "side": "buy"}
                self._answer(fill | {"order_id": f"o{number}", "client_order_id": name})
            self.open = quantity - filled

    def arrivals(self) -> list[Fields]:
        """All records in some order, with copies of answers; our requests in their order, each before its answers."""
        draw, records = self._draw, [*self.records]
        requests = [each for each in records if "exchange_ns" not in each]
        places = [draw.random() for _ in records]
        asked = sorted(place for place, each in zip(places, records, strict=True) if each in requests)
        at = dict(zip((each["client_order_id"] for each in requests), asked, strict=True))
        told: list[tuple[float, Fields]] = []
        for place, each in zip(places, records, strict=True):
            begin = at.get(each.get("client_order_id", ""), 0.0)
            told.append((begin, each) if each in requests else (begin + (1 - begin) * place, each))
        answers = [each for _, each in told if each not in requests]
        told += [(draw.uniform(1, 2), draw.choice(answers)) for _ in range(draw.randrange(3))]
        return [each for _, each in sorted(told, key=lambda each: each[0])]

    def _answer(self, fields: Fields) -> None:
        self._ns += 1
        self._tell(fields | {"exchange_ns": self._ns})

    def _tell(self, fields: Fields) -> None:
        self.records.append(fields)


def _asked(word: str, quantity: float, name: str) -> Fields:
    return {"exec_type": word, "order_status": word, "side": "buy", "quantity": quantity, "client_order_id": name}


def _answered(word: str, quantity: float, name: str, order_id: str) -> Fields:
    told = {"exec_type": word, "order_status": "new", "side": "buy", "quantity": quantity}
    return told | {"cumulative_quantity": 0.0, "client_order_id": name, "order_id": order_id}
