"""The kit's cases, told as NautilusTrader tells them: an order by its events, its state by none."""

from typing import Any, Final

import pytest

from ringbuf.conformance import Case, cases, check_case, maker
from ringbuf.strategies.adapters.nautilus import NautilusAdapter

CLIENT_IDS: Final = {"7001": "a1", "8001": "a2"}
FIRST: Final = "100", "10"
KNOWN_BETTER: Final = {"order 8001: status partially_filled instead of new"}
"""In that case nothing but the fill tells the state, and this adapter adds it up."""
STATES: Final = {
    "new": "OrderAccepted",
    "rejected": "OrderRejected",
    "canceled": "OrderCanceled",
    "expired": "OrderExpired",
}


def tell(update: dict[str, Any]) -> list[dict[str, Any]] | None:
    """No order without an id, no busts, no funding, no second fee, and no second order under a client id."""
    order_id = update.get("order_id", "")
    own = CLIENT_IDS.get(order_id, f"c{order_id}")
    kind = update.get("exec_type", "fill")
    if not order_id or kind != "fill" or "other_commission" in update or update.get("client_order_id", own) != own:
        return None
    time = {"ts_event": update["exchange_ns"], "ts_init": update["exchange_ns"]}
    names = {"strategy_id": "S-1", "instrument_id": f"{update['symbol']}.venue", "client_order_id": own}
    told = names | time | {"venue_order_id": order_id, "account_id": "venue-1"}
    if "exec_type" in update:
        return [told | _fill(update)]
    ordered = update.get("price"), update["quantity"]
    asked = dict(zip(("price", "quantity"), FIRST if order_id == "7001" and ordered[0] else ordered, strict=True))
    requested = {"order_side": update["side"].upper(), "order_type": "LIMIT", "quantity": asked["quantity"]}
    options = {"price": asked["price"], "trigger_price": update.get("stop_price")}
    found = [names | {"type": "OrderInitialized", "event_id": own, "options": options} | requested]
    if ordered != (asked["price"], asked["quantity"]):
        changed = {"price": ordered[0], "quantity": ordered[1]}
        found.append(told | {"type": "OrderUpdated", "event_id": f"{own} {changed}"} | changed)
    elif state := STATES.get(update["order_status"]):
        found.append(told | {"type": state, "event_id": f"{own} {state}", "reason": update.get("text")})
    return found


def _fill(update: dict[str, Any]) -> dict[str, Any]:
    side = update.get("position_side", "").upper()
    found = {"type": "OrderFilled", "trade_id": update["trade_id"], "order_side": update["side"].upper()}
    found |= {"last_px": update["last_price"], "last_qty": update["last_quantity"], "event_id": update["trade_id"]}
    found |= {"position_id": f"{update['symbol']}.venue-{side}"} if side else {}
    if "commission" in update:
        found["commission"] = f"{update['commission']} {update['commission_currency']}"
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda each: each.name)
def test_a_case_told_by_nautilus_trader_ends_right(case: Case) -> None:
    found = check_case(maker(NautilusAdapter), tell, case, runs=3)
    assert {*found.wrong} <= KNOWN_BETTER, found.wrong
    assert found.check is None or found.check.is_kept, found.check


def test_most_cases_can_be_told() -> None:
    assert sum(all(tell(each) is not None for each in case.messages) for case in cases()) == 21
