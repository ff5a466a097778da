"""Random orders of which some fills are missed, inferred from totals, and told later; in any order, with copies."""

import random
from decimal import Decimal
from typing import Any

Fields = dict[str, Any]
BEGIN_NS = 1_790_000_000_000_000_000


def random_orders(seed: str) -> list[Fields]:
    """Reports of one to three orders of one instrument, as they arrive."""
    draw = random.Random(seed)
    reports = [each for number in range(draw.randrange(1, 4)) for each in _order(draw, f"o{number}")]
    reports += [dict(draw.choice(reports)) for _ in range(draw.randrange(3))]
    if draw.random() < 0.8:
        draw.shuffle(reports)
    return reports


def _order(draw: random.Random, order_id: str) -> list[Fields]:
    sizes = [Decimal(draw.choice(("0.1", "0.2", "0.3", "1", "2"))) for _ in range(draw.randrange(1, 5))]
    quantity, side = sum(sizes) + draw.choice((0, 1)), draw.choice(("buy", "sell"))
    named = {"order_id": order_id, **({"side": side} if draw.random() < 0.9 else {})}
    is_timed, tells_totals = draw.random() < 0.6, draw.random() < 0.5
    if draw.random() < 0.3:
        named |= {"client_order_id": f"c{order_id}"}
    reports: list[Fields] = [named | {"exec_type": "new", "order_status": "new"}]
    total = Decimal(0)
    for place, size in enumerate(sizes):
        total += size
        at = {"exchange_ns": BEGIN_NS + place * 1_000} if is_timed else {}
        trade_id = {"trade_id": f"{order_id}-{place}"} if draw.random() < 0.9 else {}
        fill = (
            named | at | trade_id | {"exec_type": "fill", "last_price": draw.choice((100, 101)), "last_quantity": size}
        )
        if tells_totals:
            fill |= {"cumulative_quantity": total, "order_status": "partially_filled"}
        if draw.random() < 0.6:
            reports.append(fill)
        if draw.random() < 0.3:
            reports.append(
                named
                | at
                | {"exec_type": "new", "order_status": "new", "cumulative_quantity": total, "quantity": quantity}
            )
        if draw.random() < 0.5:
            reports.append(_inferred(draw, order_id, total) | named | at)
        if trade_id and draw.random() < 0.15:
            reports.append(named | {"exec_type": "trade_cancel", **trade_id})
        if trade_id and draw.random() < 0.1:
            corrected = {"exec_type": "trade_correct", "last_quantity": Decimal("0.5"), "commission": Decimal("0.25")}
            reports.append(named | corrected | trade_id)
    if draw.random() < 0.1:
        reports.append(named | {"exec_type": "trade_cancel", "trade_id": f"inferred-{order_id}-{total}"})
    if "client_order_id" in named:  # the first ones come before the venue's order id is known
        early = {"order_id": ""}
        reports = [each | early if place < 2 else each for place, each in enumerate(reports)]
    return reports


def _inferred(draw: random.Random, order_id: str, total: Decimal) -> Fields:
    quantity = Decimal(draw.choice(("0.1", "0.2", "1", "2"))) if draw.random() < 0.2 else total
    price = {"last_price": draw.choice((100, Decimal("100.25")))} if draw.random() < 0.5 else {}
    reach = {"cumulative_quantity": total} if draw.random() < 0.9 else {}
    return price | reach | {
        "exec_type": "fill", "trade_type": "inferred", "origin": "reconciliation", "last_quantity": quantity,
        "trade_id": f"inferred-{order_id}-{total}", "text": "by total",
    }  # fmt: skip
