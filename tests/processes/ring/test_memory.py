"""A ring's memory is there when it is opened and stays: no append waits for a page."""

import logging
import resource
from pathlib import Path

import pytest

from ringbuf.record.execution import EXECUTION
from ringbuf.ring import layout, segment
from ringbuf.ring.producer import Producer
from ringbuf.strategies import Recorder

NAME = "mm-btc"


def locked_bytes(path: str) -> int:
    """How much of the maps of a file is locked in this process's memory."""
    found, is_ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            is_ours = words[-1] == path
        elif is_ours and words[0] == "Locked:":
            found += int(words[1]) * 1024
    return found


def test_a_ring_is_locked_in_memory(namespace: str) -> None:
    with Producer.open(NAME, capacity=16) as producer:
        assert producer.memory_locked
        size = layout.HEADER_SIZE + 16 * EXECUTION.record_size
        assert locked_bytes(f"/dev/shm/ringbuf.{namespace}.{NAME}") >= size


def test_a_ring_that_may_not_be_locked_works_all_the_same_and_the_recorder_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing:
        @staticmethod
        def mlock(*_: object) -> int:
            return -1

    monkeypatch.setattr(segment, "_LIBC", Refusing)
    with caplog.at_level(logging.INFO), Recorder.open(NAME, capacity=16) as recorder:
        assert not recorder.producer.memory_locked
        assert recorder.bind(exchange="e", account="a", symbol="s", strategy="m").order() == 0
    assert "ring 'mm-btc' is not locked in memory" in caplog.text


def test_filling_a_ring_for_the_first_time_meets_no_page_fault_in_it() -> None:
    capacity = 16_384
    pages = capacity * EXECUTION.record_size // resource.getpagesize()
    with Recorder.open(NAME, capacity=capacity) as recorder:
        bound = recorder.bind(exchange="e", account="a", symbol="s", strategy="m")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for number in range(capacity):
            bound.order(exchange_seq=number)
        assert recorder.producer.head == capacity
        assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < pages // 10
