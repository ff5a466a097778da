"""The rules of orders and trades, reckoned step by step, come to what a slow model reckons anew from all reports."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.strategies.inventory import Inventory
from tests.model.order_model import Model

INSTRUMENT = {"exchange": "sim", "account": "A1", "symbol": "BTC-PERPETUAL"}
QUANTITIES = (None, 0.0, 2.0, 4.0, 5.0, 10.0)
TIMES = (None, None, 1_790_000_000_000_000_001, 1_790_000_000_000_000_002, 1_790_000_000_000_000_003)
STATES = (
    None, "new", "partially_filled", "filled", "canceled", "expired", "rejected", "replaced", "pending_cancel",
    "pending_replace", "done_for_day", "suspended", "calculated",
)  # fmt: skip
TELLING = (
    "order_status",
    "new",
    "canceled",
    "replaced",
    "rejected",
    "expired",
    "pending_cancel",
    "cancel_rejected",
    "calculated",
)
REPORT_IDS = {"": "", "t1": "r1", "t2": "r2", "t3": ""}
"""Of fills by their trade ids: what a venue tells of a trade it tells each time."""


def side_of(order_id: str) -> str:
    return "sell" if order_id == "2" else "buy"


@st.composite
def state_of_order(draw: st.DrawFn) -> dict[str, Any]:
    """A venue's report of a state."""
    order_id = draw(st.sampled_from("123"))
    return {
        "order_id": order_id,
        "client_order_id": f"c{order_id}",
        "side": side_of(order_id),
        "exec_type": draw(st.sampled_from(TELLING)),
        "order_status": draw(st.sampled_from(STATES)),
        "quantity": draw(st.sampled_from(QUANTITIES)),
        "cumulative_quantity": draw(st.sampled_from(QUANTITIES)),
        "leaves_quantity": draw(st.sampled_from(QUANTITIES)),
        "exchange_ns": draw(st.sampled_from(TIMES)),
    }


@st.composite
def fill_of_order(draw: st.DrawFn) -> dict[str, Any]:
    """A venue's report of a trade."""
    trade_id = draw(st.sampled_from(tuple(REPORT_IDS)))
    trade = {
        "exec_type": "fill",
        "order_status": draw(st.sampled_from((None, "partially_filled", "filled", "canceled"))),
        "last_price": draw(st.sampled_from((1.0, 2.0))),
        "last_quantity": draw(st.sampled_from((2.0, 3.0))),
        "commission": draw(st.sampled_from((None, 0.5))),
        "trade_id": trade_id,
        "report_id": REPORT_IDS[trade_id],
    }
    return draw(state_of_order()) | trade


@st.composite
def change_of_trade(draw: st.DrawFn) -> dict[str, Any]:
    """A venue cancels or corrects a trade."""
    named = draw(state_of_order())
    change = {
        "exec_type": draw(st.sampled_from(("trade_cancel", "trade_correct"))),
        "trade_id": draw(st.sampled_from(("", "t1", "t2", "t3"))),
        "ref_id": draw(st.sampled_from(("r1", "r2", "t1", "x1"))),
        "report_id": draw(st.sampled_from(("", "x1", "x2"))),
        "last_price": draw(st.sampled_from((None, 1.0, 3.0))),
        "last_quantity": draw(st.sampled_from((None, 0.0, 1.0, 3.0))),
        "commission": draw(st.sampled_from((None, 0.0, 0.25, 2.0))),
    }
    unnamed = {"order_id": None, "client_order_id": None} if draw(st.booleans()) else {}
    return named | change | unnamed


@st.composite
def report_by_client_id(draw: st.DrawFn) -> dict[str, Any]:
    """A request of ours, or what a venue reports that names no order id; two client ids are used again and again."""
    quantity, total = draw(st.sampled_from((5.0, 10.0))), draw(st.sampled_from((None, 0.0, 2.0)))
    client: dict[str, Any] = {"client_order_id": draw(st.sampled_from("cd")), "side": "buy"}
    trade = {"last_price": 1.0, "last_quantity": 2.0, "trade_id": draw(st.sampled_from(("t4", "t5")))}
    told: dict[str, Any] = draw(
        st.sampled_from(
            (
                {"exec_type": "pending_new", "quantity": quantity},
                {"exec_type": "pending_new", "quantity": quantity, "report_id": "again"},
                {"exec_type": "rejected"},
                {"exec_type": "canceled", "cumulative_quantity": total},
                {"exec_type": "new", "quantity": quantity, "cumulative_quantity": total},
                {"exec_type": "fill", **trade, "cumulative_quantity": total},
                {"exec_type": "pending_cancel", "orig_client_order_id": client["client_order_id"]}
                | {"client_order_id": draw(st.sampled_from(("x", "y")))},
            )
        )
    )
    return client | told


@st.composite
def report_by_both_ids(draw: st.DrawFn) -> dict[str, Any]:
    """What a venue reports of an order under a client id that another order has, too."""
    named = draw(state_of_order() | fill_of_order())
    return named | {"client_order_id": "d" if named["order_id"] == "2" else "c", "side": "buy"}


RECORDS = st.lists(state_of_order() | fill_of_order() | change_of_trade(), min_size=1, max_size=9)


@settings(max_examples=600)
@given(RECORDS, st.data())
def test_orders_that_the_venue_names_are_as_the_model_says(records: list[dict[str, Any]], data: st.DataObject) -> None:
    copies = data.draw(st.lists(st.sampled_from(records), max_size=3))
    check([*records, *copies])


@settings(max_examples=600)
@given(st.lists(report_by_client_id() | report_by_both_ids(), min_size=1, max_size=9), st.data())
def test_client_ids_that_are_used_again_are_as_the_model_says(
    records: list[dict[str, Any]], data: st.DataObject
) -> None:
    copies = data.draw(st.lists(st.sampled_from(records), max_size=3))
    check([*records, *copies])


def check(records: list[dict[str, Any]]) -> None:
    inventory = Inventory()
    for each in records:
        inventory.apply(INSTRUMENT | each)
    model = Model(records)
    assert tuple(inventory.position(**INSTRUMENT)) == model.position
    assert inventory.commissions().get("", Decimal(0)) == sum(
        (each.commission for each in model.fills if each.counted), Decimal(0)
    )
