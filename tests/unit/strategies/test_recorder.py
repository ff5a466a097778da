"""The recorder: every value is recorded, unchanged or with a flag that says what was changed; nothing is raised."""

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import RingClosed
from ringbuf.record.execution import ENUMERATIONS, EXECUTION, NUMBERS, TEXTS, ExecType, Flag, Origin, Side
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import FULL
from ringbuf.strategies import BoundRecorder, Recorder
from tests.checkout import GOLDEN

RECORD = GOLDEN / "execution_record.hex"
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
        price=64000.5,
        quantity=0.3,
        last_price=64000.5,
        last_quantity=0.1,
        cumulative_quantity=0.2,
        leaves_quantity=0.1,
        average_price=64000.25,
        commission=-0.00001,
        quote_quantity=6400.05,
        realized_pnl=0.0,
        client_order_id="c-1",
        order_id="O-42",
        trade_id="T-7",
        link_id="c-0",
        commission_currency="BTC",
        text="größer",
        exchange_ns=1_700_000_000_000_000_001,
        received_ns=1_700_000_000_000_500_000,
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
            assert record[name] == expected.get(name, b"" if name in TEXTS else 0), name


def test_sequence_numbers_count_up(recorder: Recorder, bound: BoundRecorder) -> None:
    other = recorder.bind(exchange="okx", account="", symbol="BTC-USDT", strategy="mm-btc")
    assert [bound.order(), other.order(), bound.fill(**FILL), other.order()] == [0, 1, 2, 3]


# What cannot be stored as given: field, value, what is stored, flags

LONG = "x" * 70
SHORTENED = b"x" * 55 + b"#c71bd109"  # of sha256sum, as all hashes here
TEXT_RULES = [
    ("order_id", "O" * 72, b"O" * 72, 0),
    ("client_order_id", "ü" * 32, ("ü" * 32).encode(), 0),
    ("client_order_id", LONG, SHORTENED, Flag.TEXT_SHORTENED),
    ("client_order_id", LONG.encode(), SHORTENED, Flag.TEXT_SHORTENED),
    ("client_order_id", "ü" * 33, ("ü" * 27).encode() + b"#4c281ee7", Flag.TEXT_SHORTENED),
    ("text", "a\0b", b"a\\0b", Flag.TEXT_INVALID),
    ("text", "a\0", b"a\\0", Flag.TEXT_INVALID),
    ("text", "\0" * 40, b"\\0" * 27 + b"\\#9bf43318", Flag.TEXT_INVALID | Flag.TEXT_SHORTENED),
    ("text", "a\ud800b", b"a\\ud800b", Flag.TEXT_INVALID),
    ("text", b"valid \xc3\xbc", b"valid \xc3\xbc", 0),
    ("text", b"a\xff\xfeb", b"a\xff\xfeb", Flag.TEXT_INVALID),
    ("order_id", 12345, b"12345", Flag.TEXT_INVALID),
    ("order_id", 1.5, b"1.5", Flag.TEXT_INVALID),
    ("order_id", True, b"True", Flag.TEXT_INVALID),
    ("order_id", ["a"], b"['a']", Flag.TEXT_INVALID),
    ("order_id", 10**5000, b"", Flag.TEXT_INVALID),
    ("order_id", np.str_("O-1"), b"O-1", 0),
]
NAN = math.nan
NUMBER_RULES = [
    ("price", 5, 5.0, 0),
    ("price", -(1 << 53), -float(1 << 53), 0),
    ("price", (1 << 53) + 1, float(1 << 53), Flag.NUMBER_INEXACT),
    ("price", 1 << 60, float(1 << 60), 0),
    ("price", np.int64((1 << 53) + 1), float(1 << 53), Flag.NUMBER_INEXACT),
    ("price", 10**400, NAN, Flag.NUMBER_INVALID),
    ("price", np.float64(0.1), 0.1, 0),
    ("price", np.float32(0.5), 0.5, 0),
    ("price", np.int32(7), 7.0, 0),
    ("price", Decimal("64000.50"), 64000.5, 0),
    ("price", Decimal("0.1"), 0.1, 0),
    ("price", Decimal("0.12345678901234567890"), 0.12345678901234568, Flag.NUMBER_INEXACT),
    ("price", Decimal("1e-400"), 0.0, Flag.NUMBER_INEXACT),
    ("price", Decimal("1e400"), NAN, Flag.NUMBER_INVALID),
    ("price", Decimal("NaN"), NAN, 0),
    ("price", Decimal("sNaN"), NAN, Flag.NUMBER_INVALID),
    ("price", Fraction(1, 4), 0.25, 0),
    ("price", Fraction(1, 3), 1 / 3, Flag.NUMBER_INEXACT),
    ("price", "64000.5", 64000.5, Flag.NUMBER_INVALID),
    ("price", b"64000.5", 64000.5, Flag.NUMBER_INVALID),
    ("price", "0.12345678901234567890", 0.12345678901234568, Flag.NUMBER_INVALID | Flag.NUMBER_INEXACT),
    ("price", "1e400", NAN, Flag.NUMBER_INVALID),
    ("price", "a lot", NAN, Flag.NUMBER_INVALID),
    ("price", "", NAN, Flag.NUMBER_INVALID),
    ("price", True, NAN, Flag.NUMBER_INVALID),
    ("price", np.True_, NAN, Flag.NUMBER_INVALID),
    ("price", 1j, NAN, Flag.NUMBER_INVALID),
    ("price", [], NAN, Flag.NUMBER_INVALID),
    ("price", math.inf, math.inf, 0),
    ("price", NAN, NAN, 0),
    ("commission", -0.0, -0.0, 0),
]
WORD_RULES = [
    ("liquidity", "MAKER", 1, 0),
    ("liquidity", "  Maker ", 1, 0),
    ("liquidity", 2, 2, 0),
    ("liquidity", np.uint8(2), 2, 0),
    ("liquidity", Side.SELL, 0, Flag.WORD_UNKNOWN),
    ("liquidity", "both", 0, Flag.WORD_UNKNOWN),
    ("liquidity", 200, 0, Flag.WORD_UNKNOWN),
    ("liquidity", True, 0, Flag.WORD_UNKNOWN),
    ("liquidity", 1.0, 0, Flag.WORD_UNKNOWN),
    ("liquidity", Decimal(1), 0, Flag.WORD_UNKNOWN),
    ("liquidity", [], 0, Flag.WORD_UNKNOWN),
    ("liquidity", "", 0, 0),
    ("exec_type", "", 0, 0),
    ("exec_type", "no type", 0, Flag.WORD_UNKNOWN),
]
INTEGER_RULES = [
    ("exchange_ns", (1 << 63) - 1, (1 << 63) - 1, 0),
    ("exchange_ns", -(1 << 63), -(1 << 63), 0),
    ("exchange_ns", 1 << 63, 0, Flag.TIME_INVALID),
    ("exchange_ns", -(1 << 63) - 1, 0, Flag.TIME_INVALID),
    ("received_ns", 10**5000, 0, Flag.TIME_INVALID),
    ("exchange_ns", np.int64(5), 5, 0),
    ("exchange_ns", 1.7e18, 0, Flag.TIME_INVALID),
    ("exchange_ns", "2024-01-01", 0, Flag.TIME_INVALID),
    ("exchange_ns", np.datetime64("2024-01-01"), 0, Flag.TIME_INVALID),
    ("exchange_ns", True, 0, Flag.TIME_INVALID),
    ("exchange_seq", (1 << 64) - 1, (1 << 64) - 1, 0),
    ("exchange_seq", 1 << 64, 0, Flag.NUMBER_INVALID),
    ("exchange_seq", -1, 0, Flag.NUMBER_INVALID),
    ("exchange_seq", "7", 0, Flag.NUMBER_INVALID),
]


@pytest.mark.parametrize(
    ("name", "value", "stored", "flags"),
    [*TEXT_RULES, *NUMBER_RULES, *WORD_RULES, *INTEGER_RULES],
    ids=lambda value: str(value)[:24] if not isinstance(value, int) or value < 1 << 64 else "huge",
)
def test_every_value_is_recorded_and_what_was_changed_is_flagged(
    recorder: Recorder, bound: BoundRecorder, name: str, value: Any, stored: Any, flags: int
) -> None:
    assert bound.order(**{name: value, "order_status": "new"}) == 0
    record = last_record()
    expected = np.array([stored], EXECUTION.fields[name][0])[0]
    assert record[name].tobytes() == expected.tobytes()
    assert (record["flags"], recorder.producer.flagged) == (flags, 1 if flags else 0)
    assert (record["order_status"], record["symbol"]) == (2, b"BTC-PERPETUAL")


@pytest.mark.parametrize(
    "given",
    [
        {"side": None},
        {"side": ""},
        {"side": "unknown"},
        {"last_price": NAN},
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
    bound.fill(side="up", last_price="1.5", text="x" * 65, exchange_ns=1 << 70)
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
        bound.order(price="1.5", quantity="x")
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
        assert bound.order(price="1.5") == 0
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
