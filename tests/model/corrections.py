"""Random trades, also with oneself, and corrections that tell commissions; in any order, with copies."""

import math
import random
from typing import Any

Fields = dict[str, Any]
BEGIN_NS = 1_790_000_000_000_000_000
AMOUNTS = (0.0, 0.1, 0.25, -0.05, 1e300, math.inf)
SIDES = {"o1": "buy", "o2": "sell", "o3": "buy"}
UNTOLD = ("order_id", "side", "last_price", "exchange_ns")


def random_corrections(seed: object) -> list[Fields]:
    """Reports of one instrument, as they arrive."""
    draw = random.Random(f"corrections {seed}")
    reports = [each for number in range(draw.randrange(1, 4)) for each in _trade(draw, f"t{number}")]
    if draw.random() < 0.3:  # the first ones come before the venue's order ids are known
        reports = [_named_by_client(each) if draw.random() < 0.3 else each for each in reports]
    reports += [dict(draw.choice(reports)) for _ in range(draw.randrange(3))]
    if draw.random() < 0.8:
        draw.shuffle(reports)
    return reports


def _trade(draw: random.Random, trade_id: str) -> list[Fields]:
    orders = draw.sample(sorted(SIDES), draw.choice((1, 1, 2)))
    ids = {name: _ids(draw, trade_id, name) for name in orders}
    size = draw.choice((1.0, 2.0))
    reports = []
    for name in orders:
        fill = _of_order(name) | ids[name] | {"exec_type": "fill", "last_price": 100.0, "last_quantity": size}
        for _ in range(draw.choice((1, 1, 2))):
            copy = fill | _time(draw) | (_commissions(draw) if draw.random() < 0.7 else {})
            less = draw.choice(UNTOLD) if draw.random() < 0.2 else ""
            reports.append({key: value for key, value in copy.items() if key != less})
    if draw.random() < 0.2:
        reports.append(fill | {"last_quantity": draw.choice((3.0, 3.0, math.nan))})
    last = trade_id
    for number in range(draw.randrange(4)):
        change = _change(draw) | draw.choice((ids[draw.choice(orders)], {"trade_id": trade_id}, {"ref_id": last}))
        change = change if "ref_id" in change or "report_id" not in change else _by_reference(change)
        if draw.random() < 0.6:
            change["report_id"] = last = f"{trade_id}-c{number}"
        name = draw.choice((*orders, "o1", ""))
        reports.append(change | _time(draw) | (_of_order(name) if name else {}))
    return reports


def _change(draw: random.Random) -> Fields:
    if draw.random() < 0.1:
        return {"exec_type": "trade_cancel"}
    change: Fields = {"exec_type": "trade_correct"}
    if draw.random() < 0.3:
        change["last_price"] = draw.choice((100.0, 101.0))
    if draw.random() < 0.3:
        change["last_quantity"] = draw.choice((0.0, 1.0, 3.0))
    return change | (_commissions(draw) if draw.random() < 0.8 else {})


def _commissions(draw: random.Random) -> Fields:
    told: Fields = {}
    for name in draw.choice((("commission",), ("other_commission",), ("commission", "other_commission"))):
        told[name] = draw.choice(AMOUNTS)
        if draw.random() < 0.8:
            told[f"{name}_currency"] = draw.choice(("B", "Q"))
    return told


def _ids(draw: random.Random, trade_id: str, order_id: str) -> Fields:
    """What names a fill: the id of its trade, that of its report, or both."""
    return draw.choice(
        ({"trade_id": trade_id}, {"trade_id": trade_id}, {"trade_id": trade_id, "report_id": f"{trade_id}-{order_id}"})
    )


def _by_reference(change: Fields) -> Fields:
    """A change that names the report of a fill (FIX 19), and not its trade."""
    return {key: value for key, value in change.items() if key not in ("trade_id", "report_id")} | {
        "ref_id": change["report_id"]
    }


def _of_order(name: str) -> Fields:
    return {"order_id": name, "client_order_id": f"c{name}", "side": SIDES[name]}


def _named_by_client(report: Fields) -> Fields:
    return {key: value for key, value in report.items() if key != "order_id"}


def _time(draw: random.Random) -> Fields:
    return {"exchange_ns": BEGIN_NS + draw.randrange(4)} if draw.random() < 0.6 else {}
