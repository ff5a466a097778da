"""Chains of orders that took each other's place, with our requests for it, of which records are lost or come late."""

import random
from itertools import pairwise
from typing import Any

Fields = dict[str, Any]


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


def _asked(word: str, quantity: float, name: str) -> Fields:
    return {"exec_type": word, "order_status": word, "side": "buy", "quantity": quantity, "client_order_id": name}


def _answered(word: str, quantity: float, name: str, order_id: str) -> Fields:
    told = {"exec_type": word, "order_status": "new", "side": "buy", "quantity": quantity}
    return told | {"cumulative_quantity": 0.0, "client_order_id": name, "order_id": order_id}
