"""Whatever is given to a recorder: a record comes out, its flags say what was changed, and nothing is raised."""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.record.execution import EXECUTION, Flag
from ringbuf.record.fields import BY_NAME, ENUMERATIONS, Given, Kind, names
from ringbuf.record.number import exact_number
from ringbuf.record.timestamp import PRESENT
from ringbuf.record.words import TABLES
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import BoundRecorder, Recorder
from tests.model.values import ANYTHING, Disguised, hostile

pytestmark = pytest.mark.usefixtures("implementation")

NAME = "mm-btc"
NUMBERS = names(Kind.NUMBER)
WIDTHS = {name: BY_NAME[name].width for name in names(Kind.TEXT, Given.CALL)}
TIMES = names(Kind.TIME, Given.CALL)
FIELDS = (*ENUMERATIONS, *NUMBERS, *WIDTHS, *TIMES, "exchange_seq")
RAISED = (ValueError, KeyError, RuntimeError, RecursionError, MemoryError, UnicodeError, Warning, StopIteration)


class Recording:
    """A bound recorder and what it recorded last."""

    def __init__(self) -> None:
        self.recorder = Recorder.open(NAME, capacity=2)
        self.bound: BoundRecorder = self.recorder.bind(exchange="deribit", account="A1", symbol="BTC", strategy="mm")
        self._consumer = Consumer.open(NAME)

    def last(self) -> Any:
        """The one record that was made since the last call, a copy without what differs each time."""
        (view,) = self._consumer.poll()
        (record,) = np.frombuffer(bytearray(view.tobytes()), view.dtype)  # with the padding, which copy() leaves out
        self._consumer.acknowledge(self._consumer.position - 1)
        for name in ("session", "seq", "captured_ns"):
            record[name] = 0
        return record

    def close(self) -> None:
        self._consumer.close()
        self.recorder.close()


@pytest.fixture
def recording() -> Iterator[Recording]:
    opened = Recording()
    yield opened
    opened.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_any_value_in_any_field_makes_a_record(recording: Recording) -> None:
    @settings(max_examples=300)
    @given(st.booleans(), st.lists(st.sampled_from(FIELDS).flatmap(usual_or_anything), max_size=4))
    def check(is_fill: bool, told: list[tuple[str, Any]]) -> None:
        fields = dict(told)
        flagged = recording.recorder.producer.flagged
        append = recording.bound.fill if is_fill else recording.bound.order
        assert append(**fields) == recording.recorder.producer.head - 1
        record = recording.last()
        assert recording.recorder.producer.flagged == flagged + bool(record["flags"])
        for name, value in fields.items():
            assert_kept_or_flagged(name, value, record)

    check()
    assert (recording.recorder.producer.dropped, recording.recorder.producer.rejected) == (0, 0)


def assert_kept_or_flagged(name: str, value: Any, record: Any) -> None:
    """Without a flag for its kind of change, the record holds exactly what was given."""
    stored, flags = record[name].item(), int(record["flags"])
    if name in WIDTHS and not flags & (Flag.TEXT_INVALID | Flag.TEXT_SHORTENED):
        assert stored == (b"" if value is None else value if isinstance(value, bytes) else value.encode())
    elif name in NUMBERS and not flags & (Flag.NUMBER_INVALID | Flag.NUMBER_INEXACT):
        kept = exact_number(record, name)
        if isinstance(value, str | bytes):
            assert kept == (Decimal(value.strip() if isinstance(value, str) else value.decode()) if value else None)
        else:
            same = kept == value if isinstance(value, Decimal | int) else stored == value
            assert same or (math.isnan(stored) and (value is None or value != value)) or math.isinf(stored)
    elif name in ENUMERATIONS and not flags & Flag.WORD_UNKNOWN:
        known = value is None or isinstance(value, str) or (isinstance(value, int | np.integer) and stored == value)
        assert known and stored in iter(ENUMERATIONS[name])
    elif name in TIMES and isinstance(value, int) and not flags & (Flag.TIME_INVALID | Flag.TIME_RESCALED):
        assert stored == value
    elif name == "exchange_seq" and not flags & Flag.NUMBER_INVALID:
        assert stored == (0 if value in (None, "", b"") else int(value))


@pytest.mark.parametrize("error", RAISED, ids=lambda error: error.__name__)
def test_an_object_whose_methods_raise_is_survived_in_every_field(
    recording: Recording, error: type[BaseException]
) -> None:
    for value in (*hostile(error), Disguised()):
        for name in FIELDS:
            recording.bound.fill(**{name: value, "order_id" if name != "order_id" else "text": "kept"})
            record = recording.last()
            assert b"kept" in (record["order_id"], record["text"])
            assert issubclass(type(value), str | bytes | float | int) or record["flags"]
    assert recording.recorder.producer.dropped == 0


def test_an_interrupt_is_not_swallowed(recording: Recording) -> None:
    with pytest.raises(KeyboardInterrupt):
        recording.bound.fill(order_id=hostile(KeyboardInterrupt)[0])
    assert recording.bound.order() == 0


# Usual values take the fast path. One value of a subclass sends the same call down the other.


class Word(str):
    __slots__ = ()


def usual(name: str) -> st.SearchStrategy[Any]:
    if name in ENUMERATIONS:
        return st.sampled_from([None, *TABLES[name], *ENUMERATIONS[name]])
    if name in WIDTHS:
        return st.none() | st.text(
            st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=WIDTHS[name] // 4
        )
    if name in NUMBERS:
        text = st.from_regex(r"\A-?[0-9]{1,9}(\.[0-9]{1,18})?\Z")
        return st.none() | st.floats() | st.integers(-(1 << 53), 1 << 53) | st.floats().map(np.float64) | text
    if name in TIMES:
        return st.none() | st.integers(-(1 << 63), 0) | st.integers(PRESENT[0] * 10**9, (1 << 63) - 1)
    return st.none() | st.integers(0, (1 << 64) - 1)


def usual_or_anything(name: str) -> st.SearchStrategy[tuple[str, Any]]:
    """A field and its value; what is right in it is too rare among any values."""
    return st.tuples(st.just(name), usual(name) | ANYTHING)


def test_both_paths_make_the_same_bytes_of_usual_values(recording: Recording) -> None:
    @settings(max_examples=200)
    @given(st.booleans(), st.fixed_dictionaries({}, optional={name: usual(name) for name in FIELDS if name != "text"}))
    def check(is_fill: bool, fields: dict[str, Any]) -> None:
        append = recording.bound.fill if is_fill else recording.bound.order
        append(**fields, text="same")
        fast = recording.last()
        append(**fields, text=Word("same"))
        assert recording.last().tobytes() == fast.tobytes()
        assert int(fast["flags"]) & ~Flag.REQUIRED_MISSING == 0

    check()


def test_every_field_of_an_execution_is_bound_given_or_set_by_the_recorder() -> None:
    bound = {"exchange", "account", "strategy", "symbol"}
    assert {*FIELDS, *bound, "session", "seq", "captured_ns", "flags", "exact"} == set(EXECUTION.names)
