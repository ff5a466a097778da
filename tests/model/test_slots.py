"""A slot is used again and again, by whichever path appends: a record has what was given to it and nothing else.

The native core does not clear the rear of a slot that it knows to be zero. So every sequence of appends, claims and
processes must leave the same bytes as a ring on which pure Python alone has written.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ringbuf.record.execution import EXECUTION, REAR
from ringbuf.record.fields import FIELDS, Given, Kind
from ringbuf.ring import layout, native, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import BoundRecorder, Recorder

pytestmark = pytest.mark.skipif(native.CORE is None, reason="the native core is not in use")

CAPACITY = 4
IN_REAR = [each.name for each in FIELDS if each.offset >= REAR and each.given is Given.CALL]
SLOT_BYTES = slice(16 + 8, EXECUTION.record_size)  # without session, seq and time of capture

BETWEEN_FIELDS = [(62, 64)]
FULL_OF_ONES = np.full(EXECUTION.record_size, 1, np.uint8).view(EXECUTION.dtype)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


RAISING: type[str] = type(
    "Raising", (str,), dict.fromkeys(("__hash__", "__str__", "__repr__", "encode", "strip"), _interrupted)
)
"""A text that cannot be read without an end to the append that it is given to."""
FRONT: dict[str, Any] = {"side": "sell", "last_price": 1.5, "last_quantity": "2", "order_id": "o-1"}
GIVEN = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(["", "x", "y" * 16]) for name in IN_REAR}
) | st.sampled_from([{}, {"price": "0.1234567890123456789"}, {"price": 1j}, {"text": "z" * 65}])


class Ring:
    """A ring of its own with a recorder on it, and what it recorded."""

    def __init__(self, name: str, *, pure: bool) -> None:
        self.name, self.pure = name, pure
        self.recorder: Recorder
        self.bound: BoundRecorder
        self.open()
        self.consumer = Consumer.open(name)

    def open(self) -> None:
        """Go on as the next process would."""
        self.recorder = Recorder.open(self.name, capacity=CAPACITY)
        with pytest.MonkeyPatch.context() as patch:
            if self.pure:
                patch.setattr(native, "CORE", None)
            self.bound = self.recorder.bind(exchange="deribit", account="A1", symbol="BTC", strategy="mm")

    def run(self, step: Callable[["Ring"], object]) -> bytes:
        """The bytes of the records of one step, padding and all."""
        step(self)
        made = b"".join(view.tobytes() for view in self.consumer.poll())
        if made:
            self.consumer.acknowledge(self.consumer.position - 1)
        size = EXECUTION.record_size
        return b"".join(made[begin : begin + size][SLOT_BYTES] for begin in range(0, len(made), size))

    def leave_in_the_next_slot(self) -> None:
        """Write as a process that dies before it publishes."""
        with open(registry.ring_path(self.name), "r+b") as file:
            head = int.from_bytes(file.read(layout.HEAD + 8)[layout.HEAD :], "little")
            file.seek(layout.HEADER_SIZE + head % CAPACITY * EXECUTION.record_size)
            file.write(b"\xff" * EXECUTION.record_size)

    def close(self) -> None:
        self.recorder.close()
        self.consumer.close()
        registry.remove(self.name, force=True)


class Slots(RuleBasedStateMachine):
    """The same steps on a ring that the native core may write to and on one where it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.rings = [Ring("native", pure=False), Ring("pure", pure=True)]

    def both(self, step: Callable[[Ring], object]) -> None:
        made = [ring.run(step) for ring in self.rings]
        assert made[0] == made[1]

    @rule(given=GIVEN, times=st.integers(1, CAPACITY))
    def record_fills(self, given: dict[str, Any], times: int) -> None:
        self.both(lambda ring: [ring.bound.fill(**FRONT | given) for _ in range(times)])

    @rule(given=GIVEN)
    def record_an_order(self, given: dict[str, Any]) -> None:
        self.both(lambda ring: ring.bound.order(**given))

    @rule(name=st.sampled_from(IN_REAR))
    def give_up_in_the_middle(self, name: str) -> None:
        def step(ring: Ring) -> None:
            with pytest.raises(KeyboardInterrupt):
                ring.bound.fill(**FRONT | {name: "left behind", "side": RAISING("buy")})

        self.both(step)

    @rule(name=st.sampled_from(IN_REAR))
    def append_with_the_producer(self, name: str) -> None:
        self.both(lambda ring: ring.recorder.producer.append(captured_ns=1, **{name: "appended"}))

    @rule(count=st.integers(1, CAPACITY))
    def extend(self, count: int) -> None:
        records = np.zeros(count, EXECUTION.dtype)
        records["captured_ns"], records["user"] = 1, b"extended"
        self.both(lambda ring: ring.recorder.producer.extend(records))

    @rule(keep=st.booleans())
    def claim(self, keep: bool) -> None:
        def step(ring: Ring) -> None:
            slot = ring.recorder.producer.claim()
            assert slot is not None
            slot["ref_id"] = b"claimed"
            ring.recorder.producer.commit() if keep else ring.recorder.producer.abort()

        self.both(step)

    @rule(leaves=st.booleans())
    def go_on_in_another_process(self, leaves: bool) -> None:
        """One that may have died over a record that nobody will ever see."""

        def step(ring: Ring) -> None:
            ring.recorder.close()
            if leaves:
                ring.leave_in_the_next_slot()
            ring.open()

        self.both(step)

    def teardown(self) -> None:
        for ring in self.rings:
            ring.close()


def test_a_slot_keeps_nothing_of_the_record_before() -> None:
    run_state_machine_as_test(Slots, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))


def claim_and_commit(ring: Ring) -> None:
    ring.recorder.producer.claim()
    ring.recorder.producer.commit()


@pytest.mark.parametrize("pure", [False, True], ids=["native", "pure"])
@pytest.mark.parametrize(
    "append",
    [
        lambda ring: ring.bound.fill(**FRONT),
        lambda ring: ring.recorder.producer.append(captured_ns=1),
        lambda ring: ring.recorder.producer.append(FULL_OF_ONES[0]),
        lambda ring: ring.recorder.producer.extend(FULL_OF_ONES),
        claim_and_commit,
    ],
    ids=["fill", "append", "append a record", "extend", "claim"],
)
def test_the_bytes_between_the_fields_are_zero_whatever_a_slot_or_a_given_record_had_there(
    append: Callable[[Ring], object], pure: bool
) -> None:
    ring = Ring("mm", pure=pure)
    ring.recorder.close()
    ring.leave_in_the_next_slot()
    ring.open()
    made = ring.run(append)
    assert [made[begin - SLOT_BYTES.start : end - SLOT_BYTES.start] for begin, end in BETWEEN_FIELDS] == [b"\0" * 2]
    ring.close()


def test_all_fields_in_the_rear_are_texts_that_are_empty_when_absent() -> None:
    assert {each.kind for each in FIELDS if each.offset >= REAR} == {Kind.TEXT}
    assert [each.name for each in FIELDS if each.offset < REAR < each.offset + each.width] == []
