"""Producer, consumer and observer of one ring, step by step against a deque."""

import struct
from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ringbuf.errors import RecordError, RingError, RingInUse
from ringbuf.record.schema import Records, Schema
from ringbuf.ring import registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import FULL, Producer

NAME = "model"
SCHEMA = Schema.define("marks", [("value", "u8"), ("text", "S8")])
RECORD = struct.Struct("<QQQ8s")
VALUES = st.tuples(st.integers(0, (1 << 64) - 1), st.text("abü", max_size=4).map(str.encode))
LIMITS = st.none() | st.integers(0, 10)


class RingMachine(RuleBasedStateMachine):
    """The model: what is unread is a deque; what was ever published, a list."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[bytes] = []
        self.unread: deque[bytes] = deque()  # not acknowledged
        self.polled = 0  # how many of them were polled
        self.dropped = self.rejected = 0
        self.reached = 0  # one past the last slot any bulk append wrote to
        self.held: list[Records] = []  # views whose records are not acknowledged

    @initialize(capacity=st.sampled_from([2, 4, 8]))
    def create(self, capacity: int) -> None:
        self.capacity = capacity
        self.producer = Producer.open(NAME, SCHEMA, capacity=capacity)
        self.session = self.producer.session
        self.consumer = Consumer.open(NAME)
        self.observer = Observer.open(NAME)

    @property
    def head(self) -> int:
        return len(self.published)

    @property
    def tail(self) -> int:
        return self.head - len(self.unread)

    @property
    def room(self) -> int:
        return self.capacity - len(self.unread)

    def publish(self, value: tuple[int, bytes]) -> None:
        record = RECORD.pack(self.session, self.head, *value)
        self.published.append(record)
        self.unread.append(record)

    def expect(self, seq: int | None, value: tuple[int, bytes]) -> None:
        """The one record that was appended, or found no room."""
        if self.room:
            assert seq == self.head
            self.publish(value)
        else:
            assert seq == FULL
            self.dropped += 1

    # Producing

    @rule(value=VALUES)
    def append_fields(self, value: tuple[int, bytes]) -> None:
        self.expect(self.producer.append(value=value[0], text=value[1].decode()), value)

    @rule(value=VALUES, shape=st.sampled_from([(), (1,), "void"]))
    def append_record(self, value: tuple[int, bytes], shape: Any) -> None:
        array = np.array([(7, 7, *value)], SCHEMA.dtype)
        self.expect(self.producer.append(array[0] if shape == "void" else array.reshape(shape)), value)

    @rule(value=VALUES)
    def claim_and_commit(self, value: tuple[int, bytes]) -> None:
        slot = self.producer.claim()
        if slot is None:
            self.expect(FULL, value)
            return
        assert slot["value"] == 0 and slot["text"] == b""
        slot["value"], slot["text"] = value
        self.expect(self.producer.commit(), value)

    @rule(value=VALUES)
    def claim_and_abort(self, value: tuple[int, bytes]) -> None:
        slot = self.producer.claim()
        if slot is None:
            self.expect(FULL, value)
            return
        slot["value"], slot["text"] = value
        self.producer.abort()

    @rule(values=st.lists(VALUES, max_size=12), step=st.sampled_from([1, 2, -1]))
    def extend(self, values: list[tuple[int, bytes]], step: int) -> None:
        array = np.array([(7, 7, *value) for value in values], SCHEMA.dtype)[::step]
        taken = min(len(array), self.room)
        self.reached = max(self.reached, self.head + taken)
        assert self.producer.extend(array) == taken
        for value in values[::step][:taken]:
            self.publish(value)
        self.dropped += len(array) - taken

    @rule()
    def append_what_is_refused(self) -> None:
        with pytest.raises(RecordError):
            self.producer.append(text="too long for eight bytes")
        self.rejected += 1

    @rule()
    def commit_what_is_not_claimed(self) -> None:
        for end in (self.producer.commit, self.producer.abort):
            with pytest.raises(RingError, match="claimed nothing"):
                end()

    @rule(close=st.booleans())
    def reopen_producer(self, close: bool) -> None:
        with pytest.raises(RingInUse):
            Producer.open(NAME, SCHEMA)
        if close:
            self.producer.close()
        del self.producer
        self.producer = Producer.open(NAME, SCHEMA)
        assert self.producer.session == self.session

    # Consuming

    @rule(limit=LIMITS)
    def poll(self, limit: int | None) -> None:
        views = self.consumer.poll(limit)
        expected = list(self.unread)[self.polled :][:limit]
        assert b"".join(view.tobytes() for view in views) == b"".join(expected)
        assert len(views) <= 2 and all(len(view) and not view.flags.writeable for view in views)
        self.polled += len(expected)
        self.held += views

    @precondition(lambda self: self.polled)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, self.polled))
        self.consumer.acknowledge(self.tail + count - 1)
        for _ in range(count):
            self.unread.popleft()
        self.polled -= count
        self.held = [view for view in self.held if view["seq"][0] >= self.tail]

    @rule(beyond=st.integers(0, 3))
    def acknowledge_what_is_not_polled(self, beyond: int) -> None:
        for seq in (self.tail + self.polled + beyond, self.tail - 1 - beyond):
            with pytest.raises(RingError, match=f"cannot acknowledge {seq}"):
                self.consumer.acknowledge(seq)

    @rule()
    def rewind(self) -> None:
        self.consumer.rewind()
        self.polled = 0

    @rule(close=st.booleans())
    def reopen_consumer(self, close: bool) -> None:
        with pytest.raises(RingInUse):
            Consumer.open(NAME)
        if close:
            self.consumer.close()
        del self.consumer
        self.consumer = Consumer.open(NAME)
        self.polled = 0

    # Observing

    @rule(back=st.integers(-3, 20), limit=LIMITS)
    def observe(self, back: int, limit: int | None) -> None:
        seq = max(self.head - back, 0)
        oldest = min(max(max(self.head + 1, self.reached) - self.capacity, 0), self.tail)
        assert self.observer.oldest == oldest
        begin = max(seq, oldest)
        seen = self.observer.read(seq, limit)
        assert (seen.first_seq, seen.lapped) == (begin, begin - seq)
        assert seen.records.tobytes() == b"".join(self.published[begin:][:limit])

    @rule()
    def reopen_observer(self) -> None:
        self.observer.close()
        self.observer = Observer.open(NAME)

    # Always

    @invariant()
    def counters_are_those_of_the_model(self) -> None:
        counters = (self.head, len(self.unread), self.dropped, self.rejected)
        assert (self.producer.head, self.producer.lag, self.producer.dropped, self.producer.rejected) == counters
        state = self.observer.state()
        assert (state.head, state.lag, state.dropped, state.rejected) == counters
        assert (state.tail, state.flagged, state.producer_alive, state.consumer_alive) == (self.tail, 0, True, True)
        position = self.tail + self.polled
        assert (self.consumer.tail, self.consumer.head, self.consumer.position) == (self.tail, self.head, position)

    @invariant()
    def polled_records_stay_until_they_are_acknowledged(self) -> None:
        for view in self.held:
            first = int(view["seq"][0])
            assert view.tobytes() == b"".join(self.published[first : first + len(view)])

    def teardown(self) -> None:
        if hasattr(self, "producer"):
            self.producer.close()
            self.consumer.close()
            self.observer.close()
            registry.remove(NAME, force=True)


def test_a_ring_behaves_like_a_bounded_deque() -> None:
    run_state_machine_as_test(RingMachine, settings=settings(max_examples=150, stateful_step_count=40))
