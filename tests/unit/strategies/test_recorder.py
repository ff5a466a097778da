"""The recorder: every value is recorded, unchanged or with a flag that says what was changed; nothing is raised."""

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import RingClosed
from ringbuf.record.execution import EXECUTION, ExecType, Flag, Origin, Side
from ringbuf.record.fields import ENUMERATIONS, Given, Kind, names
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import FULL
from ringbuf.strategies import BoundRecorder, ExecutionFields, Recorder
from tests.checkout import GOLDEN

RECORD = GOLDEN / "execution_record_2.hex"
NUMBERS = names(Kind.NUMBER)
pytestmark = pytest.mark.usefixtures("implementation")

NAME = "mm-btc"
BOUND = {"exchange": "deribit", "account": "A1", "symbol": "BTC-PERPETUAL", "strategy": "mm-btc"}
FILL: dict[str, Any] = {"side": "buy", "last_price": 64000.5, "last_quantity": 0.1}


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder.open(NAME, capacity=64) as opened:
        yield opened


@pytest.fixture
def bound(recorder: Recorder) -> BoundRecorder:
    return recorder.bind(**BOUND)


def last_record() -> Any:
    with Observer.open(NAME) as observer:
        return observer.read(observer.head - 1).records[0]


def test_a_fill_has_its_golden_bytes(bound: BoundRecorder) -> None:
    bound.fill(
        order_status="partially_filled",
        side="buy",
        order_type="limit",
        time_in_force="post_only",
        liquidity="maker",
        position_effect="open",
        margin_mode="cross",
        position_side="long",
        trade_type="liquidation",
        quantity_unit="contracts",
        price="64000.5",
        quantity="0.3",
        last_price=64000.5,
        last_quantity=0.1,
        cumulative_quantity=0.2,
        leaves_quantity=0.1,
        average_price=64000.25,
        commission=Decimal("-0.000010000000000000001"),
        quote_quantity="6400.050000000000000010",
        realized_pnl=0.0,
        arrival_price=64000.0,
        other_commission=0.02,
        venue_position=-1.5,
        hedge_ratio="0.5",
        client_order_id="c-1",
        orig_client_order_id="c-00",
        report_id="R-8",
        ref_id="R-7",
        position_id="P-1",
        user="ann",
        last_market="XNAS",
        other_commission_currency="USDT",
        order_id="O-42",
        trade_id="T-7",
        link_id="c-0",
        commission_currency="BTC",
        text="größer",
        exchange_ns=1_700_000_000_000_000_001,
        received_ns="2023-11-14T22:13:20.0005Z",
        market_ns=1_699_999_999_999_999,
        exchange_seq=99,
    )
    record = last_record()
    for name in ("session", "seq", "captured_ns"):
        record[name] = 0
    assert record.tobytes() == bytes.fromhex(RECORD.read_text())


def test_an_order_has_what_was_bound_and_given_and_nothing_else(recorder: Recorder, bound: BoundRecorder) -> None:
    assert bound.order(order_status="open", side="SELL", price=1.5, client_order_id="c-1") == 0
    record = last_record()
    expected = {name: value.encode() for name, value in BOUND.items()} | {
        "session": recorder.producer.session,
        "seq": 0,
        "exec_type": ExecType.ORDER_STATUS,
        "order_status": 2,
        "side": Side.SELL,
        "origin": Origin.LIVE,
        "price": 1.5,
        "client_order_id": b"c-1",
    }
    assert record["captured_ns"] > 1_700_000_000 * 10**9
    for name in EXECUTION.names:
        if name in NUMBERS and name not in expected:
            assert math.isnan(record[name]), name
        elif name != "captured_ns":
            assert record[name] == expected.get(name, b"" if name in names(Kind.TEXT) else 0), name


def test_the_calls_take_the_fields_that_are_given_by_calls() -> None:
    assert ExecutionFields.__optional_keys__ == set(names(given=Given.CALL))
    assert not ExecutionFields.__required_keys__


def test_sequence_numbers_count_up(recorder: Recorder, bound: BoundRecorder) -> None:
    other = recorder.bind(exchange="okx", account="", symbol="BTC-USDT", strategy="mm-btc")
    assert [bound.order(), other.order(), bound.fill(**FILL), other.order()] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "given",
    [
        {"side": None},
        {"side": ""},
        {"side": "unknown"},
        {"last_price": math.nan},
        {"last_price": math.inf},
        {"last_price": None},
        {"last_quantity": -math.inf},
        {"last_quantity": Decimal("NaN")},
        {"last_quantity": np.float64("inf")},
    ],
    ids=str,
)
def test_a_fill_that_does_not_say_what_was_traded_is_flagged(
    recorder: Recorder, bound: BoundRecorder, given: Any
) -> None:
    assert bound.fill(**FILL | {"trade_id": "T"} | given) == 0
    assert (last_record()["flags"], last_record()["trade_id"]) == (Flag.REQUIRED_MISSING, b"T")
    assert bound.order(**FILL | {"exec_type": "trade"} | given) == 1
    assert last_record()["flags"] == Flag.REQUIRED_MISSING
    assert bound.order(**FILL | given) == 2
    assert last_record()["flags"] == 0
    assert recorder.producer.flagged == 2


def test_flags_of_several_fields_are_joined(bound: BoundRecorder) -> None:
    bound.fill(side="up", last_price="1_5", text="x" * 65, exchange_ns=1 << 70)
    flags = Flag.WORD_UNKNOWN | Flag.NUMBER_INVALID | Flag.TEXT_SHORTENED | Flag.TIME_INVALID | Flag.REQUIRED_MISSING
    assert last_record()["flags"] == flags


@pytest.mark.parametrize("name", ["exec_type", "origin", *sorted({*ENUMERATIONS, *NUMBERS, "text", "exchange_ns"})])
def test_none_is_the_same_as_not_given(bound: BoundRecorder, name: str) -> None:
    bound.fill(**FILL)
    expected = last_record()
    bound.fill(**{name: None} | FILL)
    record = last_record()
    for each in ("seq", "captured_ns"):
        expected[each] = record[each] = 0
    assert record.tobytes() == expected.tobytes()
    assert (record["exec_type"], record["origin"]) == (ExecType.FILL, Origin.LIVE)


def test_a_field_that_does_not_exist_is_a_type_error_and_records_nothing(
    recorder: Recorder, bound: BoundRecorder
) -> None:
    for name in ("prise", "session", "seq", "captured_ns", "flags", "symbol"):
        with pytest.raises(TypeError, match=f"take no '{name}'"):
            bound.fill(**FILL | {name: 1})
    assert recorder.producer.head == 0


def test_bound_texts_too_long_are_shortened_and_flag_every_record(recorder: Recorder) -> None:
    bound = recorder.bind(**BOUND | {"exchange": "e" * 17})
    bound.order()
    bound.fill(**FILL, text="x" * 65)
    assert last_record()["exchange"] == b"eeeeeee#76421595"
    assert last_record()["symbol"] == b"BTC-PERPETUAL"
    assert last_record()["flags"] == Flag.TEXT_SHORTENED
    assert recorder.producer.flagged == 2


# A full ring, and what is logged


def test_a_full_ring_drops_and_counts_and_goes_on_when_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    with Recorder.open(NAME, capacity=2) as recorder, Consumer.open(NAME) as consumer:
        bound = recorder.bind(**BOUND)
        assert [bound.fill(**FILL) for _ in range(5)] == [0, 1, FULL, FULL, FULL]
        assert bound.fill(side="up") == FULL
        assert (recorder.producer.dropped, recorder.producer.flagged) == (4, 0)
        consumer.poll()
        consumer.acknowledge(0)
        assert [bound.fill(**FILL), bound.fill(**FILL)] == [2, FULL]
        assert recorder.producer.dropped == 5
    assert [record.getMessage() for record in caplog.records] == [
        "ring 'mm-btc': the ring is full (records are dropped until a writer has taken some); "
        "logged once, counted in `ringbuf show`"
    ]


def test_each_kind_of_change_is_logged_once(bound: BoundRecorder, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        bound.fill(**FILL | {"side": "up"})
        bound.order(price="y", quantity="x")
    with caplog.at_level(logging.WARNING):
        logged = [record.getMessage().split("; ")[0] for record in caplog.records]
    assert sorted(logged) == [
        "ring 'mm-btc': number_invalid (first seen in record 1)",
        "ring 'mm-btc': required_missing (first seen in record 0)",
        "ring 'mm-btc': word_unknown (first seen in record 0)",
    ]
    assert {(record.name, record.levelno) for record in caplog.records} == {("ringbuf.recorder", logging.WARNING)}


def test_a_log_handler_that_records_itself_finds_the_ring_free(recorder: Recorder, bound: BoundRecorder) -> None:
    class Recording(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            self.seq = bound.order(text="logged")

    with handling(Recording()) as handler:
        assert bound.order(price="x") == 0
    assert (handler.seq, recorder.producer.dropped) == (1, 0)


def test_a_log_handler_that_waits_for_another_thread_does_not_hold_it_up() -> None:
    class Waiting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            other = threading.Thread(target=full.order)
            other.start()
            other.join(timeout=10)
            self.done = not other.is_alive()

    with Recorder.open(NAME, capacity=2) as recorder, handling(Waiting()) as handler:
        full = recorder.bind(**BOUND)
        assert [full.order() for _ in range(3)] == [0, 1, FULL]
        assert (handler.done, recorder.producer.dropped) == (True, 2)


@contextmanager
def handling(handler: Any) -> Iterator[Any]:
    logging.getLogger("ringbuf.recorder").addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger("ringbuf.recorder").removeHandler(handler)


def test_a_closed_recorder_says_so(recorder: Recorder, bound: BoundRecorder) -> None:
    bound.order()
    recorder.close()
    recorder.close()
    several: list[dict[str, Any]] = [{}, {"price": "1"}]
    for given in several:
        with pytest.raises(RingClosed, match="open it again"):
            bound.order(**given)
    assert recorder.producer.head == 1
    with Recorder.open(NAME) as again:
        assert again.bind(**BOUND).order() == 1
        assert again.producer.session == recorder.producer.session
