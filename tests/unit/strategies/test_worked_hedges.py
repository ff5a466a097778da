"""Hedges that others worked out: tests/histories/hedges.json."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ringbuf.strategies.hedger import HedgeBalance
from tests.checkout import ROOT
from tests.unit.strategies.hedge_desk import Desk, hedge

Case = dict[str, Any]
CASES: list[Case] = json.loads((ROOT / "tests" / "histories" / "hedges.json").read_text())["cases"]


def desk_of(case: Case) -> Desk:
    hedges = {
        each["id"]: hedge(each["id"], **{name: value for name, value in each.items() if name not in ("id", "price")})
        for each in case["spec"]["hedges"]
    }
    of_maker = {each["id"]: hedges[each["hedge"]] for each in case["spec"]["makers"]}
    return Desk(lambda order: of_maker.get(order.order_id))


def happen(desk: Desk, case: Case, event: dict[str, Any]) -> None:
    """Tell a strategy of one event, as venues tell it."""
    sides = {each["id"]: each["side"] for each in case["spec"]["makers"]}
    maker, trade_id, quantity = event.get("maker", ""), event.get("trade_id"), event.get("quantity")
    price = {"last_price": event["price"]} if "price" in event else {}
    match event["event"]:
        case "maker_fill":
            desk.maker_fill(maker, sides[maker], str(trade_id), str(quantity), **price)
        case "maker_bust":
            desk.maker(maker, exec_type="trade_cancel", trade_id=trade_id)
        case "maker_correct":
            desk.maker(maker, exec_type="trade_correct", trade_id=trade_id, last_quantity=quantity, **price)
        case "hedge_fill":
            fills = sum(each.get("trade_id", "").startswith(event["order"]) for each in desk.records)
            trade_id = trade_id or f"{event['order']}-{fills}"
            desk.hedge(event["order"], exec_type="fill", trade_id=trade_id, last_quantity=quantity)
        case "hedge_over":
            desk.hedge(event["order"], exec_type="canceled", order_status="canceled")
        case "restart":
            desk.restart()
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_what_others_worked_out_is_sent_and_left(case: Case) -> None:
    desk = desk_of(case)
    for event, expected in zip(case["events"], case["expected"], strict=True):
        before = len(desk.sent)
        happen(desk, case, event)
        sent = [
            {
                "id": each.client_order_id,
                "hedge": each.symbol,
                "side": each.side.name.lower(),
                "quantity": each.quantity,
            }
            for each in desk.sent[before:]
        ]
        assert sent == [{**each, "quantity": Decimal(each["quantity"])} for each in expected["orders"]]
        for name, wanted in expected["hedges"].items():
            filled, working = Decimal(wanted["filled"]), Decimal(wanted["working"])
            found = HedgeBalance(Fraction(wanted["owed"]), filled, working, Fraction(wanted["balance"]))
            assert desk.balance(name) == found
            assert found.is_whole
    assert (desk.hedger.failed, desk.hedger.broken) == (0, 0)
