"""What venues really report ends right: in its order, in any other, with any copies, and split in two streams."""

import random
from decimal import Decimal

import pytest

from ringbuf.strategies.inventory import Inventory
from tests.unit.trading.histories import (
    INSTRUMENT,
    Fields,
    applied,
    histories,
    matrices,
    timed,
    totals,
)

HISTORIES = histories()
MATRICES = matrices()

NOT_OF_ONE_ORDER = {
    "D_B1f": "the venue refuses to cancel an order that is not known",
    "D_B1f_quantity": "likewise",
}
"""Matrices whose state is that of no order."""
STATE_OF_OUR_REQUEST = {
    "D_C1c_replace_rejected_at_once": "our request to replace a filled order",
    "D_C1c_replace_rejected_after_pending": "likewise",
    "D_C1c": "likewise",
    "D_G1c": "likewise",
    "D_G1c_answered_under_the_old_id": "likewise",
    "D_J1a": "likewise",
}
"""Where a matrix with requests shows pending_replace before the venue has answered, and the order is filled."""

DEPENDS_ON_ARRIVAL = {
    "cid_reused_by_request": "our two requests have no venue time, so which was the first is told by arrival alone",
    "label_second_request_out": "likewise",
    "canceled_total_first_fill_later": "the late fill was before the cancel, and its place here says after it",
    "replaced_twice_and_the_first_was_never_named": "our requests are told before the venue's answers to them",
    "D_H1b": "what a split of the stock adds is seen by comparing with what was told before it",
    "D_H1b_no_done_for_day": "likewise",
}
COPIES = {
    "copy_of_cancel_after_bust_no_times": "its copies have a place, and so a time, of their own",
    "copy_of_first_after_replace_no_times": "likewise",
    "copy_of_first_after_reduction": "likewise",
    "copy_of_fill_after_enlargement": "likewise",
}
ORDERED = [
    each
    for each in HISTORIES.values()
    if not each.is_timed and each.name.removesuffix("_with_requests") not in DEPENDS_ON_ARRIVAL | COPIES
]


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_ends_right(name: str) -> None:
    assert totals(applied(HISTORIES[name].records)) == HISTORIES[name].end


@pytest.mark.parametrize("name", MATRICES)
def test_an_order_state_matrix_of_fix_is_right_at_every_step(name: str) -> None:
    inventory = Inventory()
    without_requests = name.removesuffix("_with_requests")
    for step in MATRICES[name]:
        applied([step.record], inventory)
        assert totals(inventory)[:3] == step.right, step
        states = {each.status.name.lower() for each in inventory.orders()}
        is_ours = step.status == "pending_replace" and not step.record.get("order_id")
        if without_requests in NOT_OF_ONE_ORDER or (is_ours and without_requests in STATE_OF_OUR_REQUEST):
            continue
        assert step.status in states, step


@pytest.mark.parametrize("name", HISTORIES)
def test_copies_change_nothing(name: str) -> None:
    records, draw = HISTORIES[name].records, random.Random(name)
    for _ in range(6):
        copied: list[Fields] = []
        for place, each in enumerate(records, 1):
            copied += [each, *draw.choices(records[:place], k=draw.choice((0, 0, 1, 2)))]
        assert totals(applied(copied)) == HISTORIES[name].end, copied


@pytest.mark.parametrize("name", [each.name for each in ORDERED])
def test_with_venue_times_every_order_of_arrival_ends_the_same(name: str) -> None:
    records, draw = timed(HISTORIES[name].records), random.Random(name)
    for number in range(12):
        shuffled = records + draw.choices(records, k=number % 3)
        draw.shuffle(shuffled)
        assert totals(applied(shuffled)) == HISTORIES[name].end, shuffled


OF_A_FILL = ("last_price", "last_quantity", "trade_id")
OF_A_STATE = ("order_status", "cumulative_quantity", "leaves_quantity", "quantity", "price")


def two_streams(record: Fields) -> tuple[Fields, Fields]:
    """A fill as a venue tells it that has one stream of orders, and one of fills."""
    state = {name: value for name, value in record.items() if name not in OF_A_FILL}
    fill = {name: value for name, value in record.items() if name not in OF_A_STATE}
    return state | {"exec_type": "order_status"}, fill


def is_plain_fill(record: Fields) -> bool:
    return record["exec_type"] == "fill" and record.get("last_quantity", 0) > 0 and "cumulative_quantity" in record


@pytest.mark.parametrize("fills_first", [True, False], ids=["fills first", "states first"])
@pytest.mark.parametrize("name", MATRICES)
def test_a_fill_turns_what_is_open_into_what_is_held_and_never_lowers_the_sum(name: str, fills_first: bool) -> None:
    inventory = Inventory()
    for step in MATRICES[name]:
        if not is_plain_fill(step.record):
            applied([step.record], inventory)
            continue
        before = _sum(inventory)
        state, fill = two_streams(step.record)
        for part in (fill, state) if fills_first else (state, fill):
            applied([part], inventory)
            assert _sum(inventory) >= min(before, step.position + step.open_buy), (part, step)
        assert totals(inventory)[:3] == step.right, step
        assert inventory.position(**INSTRUMENT).awaited_buy == 0


def _sum(inventory: Inventory) -> Decimal:
    position = inventory.position(**INSTRUMENT)
    return position.quantity + position.open_buy


@pytest.mark.parametrize("name", DEPENDS_ON_ARRIVAL | COPIES)
def test_what_is_left_out_there_would_fail(name: str) -> None:
    records, draw = timed(HISTORIES[name].records), random.Random(name)
    ends = [totals(applied(draw.sample(records, len(records)))) for _ in range(50)]
    assert any(each != HISTORIES[name].end for each in ends)
