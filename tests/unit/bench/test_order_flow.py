"""The orders that `ringbuf bench query` is about."""

from decimal import Decimal

import numpy as np
import pytest

from ringbuf.bench.order_flow import ACCOUNTS, GAP_NS, PER_ORDER, STEPS_NS, STRATEGIES, OrderFlow
from ringbuf.record.enumerations import ExecType, OrderStatus
from ringbuf.record.seqs import Range, SeqSet

BEGIN_NS = 1_790_000_000_000_000_000


@pytest.mark.parametrize("orders", [1_000, 1_037])
def test_the_seqs_of_each_session_follow_one_another_in_the_order_of_capture(orders: int) -> None:
    flow = OrderFlow(100, orders, BEGIN_NS)
    records = flow.records(0, orders)
    assert len(records) == PER_ORDER * orders
    assert (np.diff(records["captured_ns"]) >= 0).all()
    assert flow.end_ns == BEGIN_NS + orders * GAP_NS
    found = []
    for session in np.unique(records["session"]).tolist():
        seqs = records["seq"][records["session"] == session]
        assert (seqs == np.arange(len(seqs))).all()
        found.append(Range(session, 0, len(seqs)))
    assert SeqSet(found) == flow.history()
    assert len(found) == STRATEGIES


def test_an_order_of_a_strategy_is_over_before_its_next_one_begins() -> None:
    assert STEPS_NS[-1] < STRATEGIES * GAP_NS


@pytest.mark.parametrize("keys", [100, 10_000])
def test_the_records_come_to_so_many_positions(keys: int) -> None:
    records = OrderFlow(keys, 10_000, BEGIN_NS).records(0, 10_000)
    names = ["exchange", "account", "symbol", "strategy"]
    assert len(np.unique(records[names])) == keys
    assert len(np.unique(records["account"])) == ACCOUNTS


@pytest.mark.parametrize("orders", [2_000, 20_000])
def test_about_as_many_orders_stay_open_however_many_there_are(orders: int) -> None:
    flow = OrderFlow(100, orders, BEGIN_NS)
    records = flow.records(0, orders)
    last = records[records["seq"] % PER_ORDER == PER_ORDER - 1]
    is_open = last["order_status"] == OrderStatus.PARTIALLY_FILLED
    assert (is_open == (last["cumulative_quantity"] < last["quantity"])).all()
    assert is_open.sum() == flow.open_orders(orders) == 1_000
    assert (last["order_status"][~is_open] == OrderStatus.FILLED).all()


@pytest.mark.parametrize("count", [1, 8_999, 9_000, 20_500])
def test_what_is_traded_is_known_exactly_however_many_orders_there_are(count: int) -> None:
    flow = OrderFlow(100, 20_500, BEGIN_NS)
    fills = flow.records(0, count)
    fills = fills[fills["exec_type"] == ExecType.FILL]
    pairs = [
        (Decimal(str(price)), Decimal(str(size))) for price, size in fills[["last_price", "last_quantity"]].tolist()
    ]
    assert flow.traded(count) == (sum(size for _, size in pairs), sum(price * size for price, size in pairs))


def test_two_of_the_records_of_an_order_are_fills_of_all_that_is_executed() -> None:
    records = OrderFlow(100, 500, BEGIN_NS).records(0, 500)
    fills = records[records["exec_type"] == ExecType.FILL]
    assert len(fills) == len(np.unique(fills["trade_id"])) == 1_000
    executed = records["cumulative_quantity"][records["seq"] % PER_ORDER == PER_ORDER - 1].sum()
    assert fills["last_quantity"].sum() == pytest.approx(executed)
