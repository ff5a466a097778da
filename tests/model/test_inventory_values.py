"""Whatever is given to an inventory: it takes it as the record made of it says, or refuses it and has not changed."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.errors import RecordError
from ringbuf.record.enumerations import ExecType
from ringbuf.record.execution import EXECUTION
from ringbuf.record.fields import Given, names
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import Recorder
from ringbuf.strategies.inventory import Inventory
from tests.model.test_recorder import FIELDS, RAISED, usual
from tests.model.values import ANYTHING, Disguised, hostile

INSTRUMENT = {"exchange": "sim", "account": "A1", "symbol": "BTC-PERPETUAL"}
KNOWN: list[dict[str, Any]] = [
    {"exec_type": "new", "side": "buy", "quantity": 10.0, "order_id": "o", "client_order_id": "c"},
    {"exec_type": "fill", "last_quantity": 4.0, "last_price": 1.0, "order_id": "o", "trade_id": "t", "commission": 1.0},
    {
        "exec_type": "pending_new",
        "order_status": "pending_new",
        "side": "sell",
        "quantity": 1.0,
        "client_order_id": "d",
    },
]
USUAL: dict[str, Any] = {"order_id": "o", "trade_id": "t", "side": "buy", "last_quantity": 1.0, "last_price": 2.0}


def known() -> Inventory:
    inventory = Inventory()
    for each in KNOWN:
        inventory.apply(INSTRUMENT | each)
    return inventory


def content(inventory: Inventory) -> tuple[Any, ...]:
    return inventory.positions(), inventory.sums(), inventory.commissions(), inventory.orders()


def apply(inventory: Inventory, record: Any) -> bool:
    """Whether an inventory takes a record; if not, it has not changed."""
    before = content(inventory)
    try:
        inventory.apply(record)
    except RecordError:
        assert content(inventory) == before
        return False
    return True


ALL = (*FIELDS, *INSTRUMENT, "exact", "flags", "captured_ns", "nonsense")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
@settings(max_examples=500)
@given(st.sampled_from(ExecType), st.dictionaries(st.sampled_from(ALL), ANYTHING, max_size=4))
def test_any_value_in_any_field_is_taken_or_refused(exec_type: ExecType, fields: dict[str, Any]) -> None:
    apply(known(), INSTRUMENT | USUAL | {"exec_type": exec_type} | fields)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: error.__name__)
def test_an_object_whose_methods_raise_is_taken_or_refused_in_every_field(error: type[BaseException]) -> None:
    inventory = known()
    for value in (*hostile(error), Disguised()):
        for name in ALL:
            apply(inventory, INSTRUMENT | USUAL | {"exec_type": "fill", name: value})


class Raising(Mapping[str, Any]):
    """Fields that cannot be read."""

    def __getitem__(self, name: str) -> Any:
        raise ZeroDivisionError(name)

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError

    def __len__(self) -> int:
        return 1


OTHER = np.dtype([("session", "<u8"), ("seq", "<u8"), ("exchange", "<f8"), ("price", "S8"), ("exec_type", "<M8[ns]")])


@pytest.mark.parametrize(
    "record",
    [None, 1, "fill", b"", [], [INSTRUMENT], object(), {}, {1: 2}, Raising(), np.float64(1), np.void(b"bytes"), OTHER],
    ids=lambda record: type(record).__name__,
)
def test_what_is_no_record_is_refused(record: Any) -> None:
    assert not apply(known(), np.zeros(1, OTHER)[0] if record is OTHER else record)


def test_random_bytes_are_taken_or_refused() -> None:
    draw = np.random.default_rng(1)
    for number in range(200):
        data = draw.integers(0, 256 if number % 2 else 23, EXECUTION.dtype.itemsize, np.uint8)
        (record,) = np.frombuffer(data.tobytes(), EXECUTION.dtype)
        apply(known(), record)


def test_an_interrupt_is_not_swallowed() -> None:
    inventory = known()
    before = content(inventory)
    with pytest.raises(KeyboardInterrupt):
        inventory.apply(INSTRUMENT | {"order_id": hostile(KeyboardInterrupt)[0]})
    assert content(inventory) == before


class Recording:
    """Records as they are stored, from fields."""

    def __init__(self) -> None:
        recorder = Recorder.open("mm-btc", capacity=2)
        self._bound = recorder.bind(**INSTRUMENT, strategy="mm")
        self._consumer = Consumer.open("mm-btc")

    def record(self, fields: dict[str, Any]) -> Any:
        self._bound.order(**fields)
        (view,) = self._consumer.poll()
        (record,) = view.copy()
        self._consumer.acknowledge(self._consumer.position - 1)
        return record


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.usefixtures("implementation")
def test_fields_and_the_record_that_is_made_of_them_count_the_same() -> None:
    recording = Recording()
    by_call = set(names(given=Given.CALL))

    @settings(max_examples=300)
    @given(
        st.sampled_from(ExecType),
        st.fixed_dictionaries({}, optional={name: usual(name) for name in FIELDS if name in by_call}),
        st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=1),
    )
    def check(exec_type: ExecType, fields: dict[str, Any], anything: dict[str, Any]) -> None:
        whole = USUAL | {"exec_type": exec_type} | fields | anything
        from_fields, from_record = known(), known()
        if apply(from_fields, INSTRUMENT | whole):
            assert apply(from_record, recording.record(whole))
            assert content(from_fields) == content(from_record)
        elif not anything:
            assert not apply(from_record, recording.record(whole))

    check()
