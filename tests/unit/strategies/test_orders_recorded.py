"""Order pages with a recorder: every update is recorded, also one that the rules refuse; nothing is raised."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from ringbuf.record.execution import EXECUTION, ExecType, Flag, Origin, TradeType
from ringbuf.record.value import blank
from ringbuf.ring.observer import Observer
from ringbuf.strategies import Recorder
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import Delta, OrderPages
from ringbuf.strategies.reconciliation import VenueQueries, reconcile
from tests.unit.strategies.inventories import INSTRUMENT, fill, order

RING = "mm-btc"
NEW = order("new", order_id="o1", strategy="mm", price="64000.5")
DAY_NS = 86_400 * 10**9
pytestmark = pytest.mark.usefixtures("implementation")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder.open(RING, capacity=64) as opened:
        yield opened


def recorded() -> Any:
    with Observer.open(RING) as observer:
        return observer.read(0).records.copy() if observer.head else np.empty(0, EXECUTION.dtype)


def test_an_update_is_recorded_before_page_and_handlers_know_it(recorder: Recorder) -> None:
    pages = OrderPages(recorder)
    heads: list[int] = []
    pages.on_delta(lambda _: heads.append(recorder.producer.head))
    assert pages.apply(NEW) is not None
    assert heads == [1]
    (record,) = recorded()
    texts = [record[name].decode() for name in ("exchange", "account", "symbol", "strategy", "order_id")]
    assert texts == ["sim", "A1", "BTC-PERPETUAL", "mm", "o1"]
    assert (record["exec_type"], record["price"], record["flags"]) == (ExecType.NEW, 64000.5, 0)


def test_updates_of_several_instruments_and_strategies_are_recorded_under_their_names(recorder: Recorder) -> None:
    pages = OrderPages(recorder)
    for strategy in ("mm", None, "arb", "mm"):
        for symbol in ("BTC", "ETH"):
            pages.apply(NEW | {"strategy": strategy, "symbol": symbol})
    found = [(each["strategy"].decode(), each["symbol"].decode()) for each in recorded()]
    assert found == [(strategy, symbol) for strategy in ("mm", "", "arb", "mm") for symbol in ("BTC", "ETH")]


@pytest.mark.parametrize(
    "update",
    [
        INSTRUMENT | {"exec_type": "order_status"},
        order("new", order_id="o1", quantity=-1),
        order("new", order_id="o1") | {"symbol": ""},
        order("new", order_id="o1", quantity="many"),
    ],
    ids=["no order", "negative", "no instrument", "no number"],
)
def test_what_the_rules_refuse_is_recorded_counted_and_logged(
    recorder: Recorder, update: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    pages = OrderPages(recorder)
    deltas: list[Delta] = []
    pages.on_delta(deltas.append)
    assert pages.apply(update) is None
    assert pages.apply(update) is None
    assert (len(recorded()), pages.refused, pages.unrecorded, deltas) == (2, 2, 0, [])
    assert [each.message for each in caplog.records if "refused" in each.message][1:] == []


def test_what_is_older_than_the_look_back_is_recorded_nevertheless(recorder: Recorder) -> None:
    pages = OrderPages(recorder, Inventory(lookback=timedelta(days=1)))
    for number in range(100):
        pages.apply(order("new", order_id=f"o{number % 7}", exchange_ns=10 * DAY_NS + number))
    pages.apply(order("new", order_id="old", exchange_ns=DAY_NS))
    assert (len(recorded()), pages.refused) == (64, 1)  # its ring is full by then
    assert recorder.producer.dropped == 37


def test_names_that_no_record_has_are_left_out_and_the_rest_is_recorded(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    pages = OrderPages(recorder)
    for _ in range(2):
        pages.apply(NEW | {"colour": "red", "captured_ns": 5})
    assert [each["order_id"] for each in recorded()] == [b"o1", b"o1"]
    assert (pages.unrecorded, pages.refused) == (0, 0)
    assert [each.message for each in caplog.records if "colour" in each.message] == [
        "no record has captured_ns, colour: left out of an update; logged once"
    ]


@pytest.mark.parametrize("account", [["A1"], 7], ids=["list", "number"])
def test_a_name_that_is_no_text_is_recorded_as_its_text(recorder: Recorder, account: Any) -> None:
    pages = OrderPages(recorder)
    pages.apply(NEW | {"account": account})
    (record,) = recorded()
    assert record["account"].decode() == str(account)


def test_a_mapping_that_is_no_dict_is_an_update_like_any_other(recorder: Recorder) -> None:
    pages = OrderPages(recorder)
    assert pages.apply(MappingProxyType(NEW)) is not None
    assert len(recorded()) == 1


def test_what_is_a_record_already_is_not_recorded_again(recorder: Recorder) -> None:
    pages = OrderPages(recorder)
    record = blank(EXECUTION)
    for name in ("exchange", "account", "symbol", "order_id"):
        record[name] = NEW[name]
    record["exec_type"], record["order_status"], record["origin"] = 1, 1, 1
    assert pages.apply(record[0]) is not None
    assert pages.apply(fill(0.4, order_id="o1") | {"session": 1, "seq": 0}) is not None
    assert len(recorded()) == 0


@pytest.mark.parametrize("update", [None, 5, "text", [1, 2]], ids=str)
def test_what_is_no_update_at_all_is_counted_and_raises_nothing(recorder: Recorder, update: Any) -> None:
    pages = OrderPages(recorder)
    assert pages.apply(update) is None
    assert (pages.refused, pages.unrecorded, len(recorded())) == (1, 1, 0)


def test_after_the_recorder_was_closed_pages_go_on_and_what_is_not_recorded_is_counted(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    pages = OrderPages(recorder)
    pages.apply(NEW)
    recorder.close()
    deltas = [pages.apply(fill(0.1, order_id="o1", trade_id=f"t{number}")) for number in range(3)]
    assert None not in deltas
    assert pages.unrecorded == 3
    assert len([each for each in caplog.records if each.levelno == logging.ERROR]) == 1


def test_values_that_cannot_be_stored_as_given_are_flagged_and_raise_nothing(recorder: Recorder) -> None:
    pages = OrderPages(recorder)
    pages.apply(NEW | {"text": "x" * 100})
    (record,) = recorded()
    assert record["flags"] == Flag.TEXT_SHORTENED


def test_what_a_reconciliation_finds_is_recorded_with_where_it_came_from(recorder: Recorder) -> None:
    pages = OrderPages(recorder)
    pages.apply(NEW | {"quantity": 5})
    told = order("order_status", order_id="o1", order_status="partially_filled", cumulative_quantity=3)
    missed = fill(1.0, order_id="o1", trade_id="t1")
    queries = VenueQueries(open_orders=lambda: [told], trades=lambda: [missed])
    for _ in range(2):
        reconcile(pages, queries, exchange="sim", account="A1", strategy="mm")
    origins = [(Origin(each["origin"]), TradeType(each["trade_type"])) for each in recorded()]
    assert origins == [
        (Origin.LIVE, TradeType.UNKNOWN),
        (Origin.LOOKBACK, TradeType.UNKNOWN),
        (Origin.LOOKBACK, TradeType.UNKNOWN),
        (Origin.RECONCILIATION, TradeType.INFERRED),
    ]
    assert Flag(recorded()[-1]["flags"]) is Flag.REQUIRED_MISSING  # its price is not known
