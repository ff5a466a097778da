"""The layout of a ring to the byte, and what becomes of bytes that are none."""

import struct
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import RingbufError, RingCorrupt, RingIncomplete, RingVersion, SchemaError
from ringbuf.record.execution import EXECUTION, Flag
from ringbuf.record.fields import FIELDS
from ringbuf.record.number import exact_number
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.layout import Header, check_cursors, decode_header, is_capacity
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer
from tests.checkout import GOLDEN

MARK = Schema.define("marks", [("price", "f8"), ("side", "u1")], words={"side": {0: "unknown", 1: "buy"}})
MARK_HEADER = Header(MARK, 4, 0x1122334455667788, 1_700_000_000_000_000_000, "host-ä")
CONSTANTS = struct.Struct("<8sIIIIQQqI")
NAME = "mm-btc"


EXECUTION_1 = Schema.from_descriptor((GOLDEN / "execution_1.json").read_bytes().strip())
VERSIONS = pytest.mark.parametrize("schema", [EXECUTION_1, EXECUTION], ids=["version 1", "version 2"])


def golden_header(schema: Schema) -> bytes:
    return bytes.fromhex((GOLDEN / f"ring_header_{schema.version}.hex").read_text())


@VERSIONS
def test_the_header_of_a_ring_has_its_golden_bytes(schema: Schema) -> None:
    header = Header(schema, 16_384, 0x0123456789ABCDEF, 1_700_000_000_123_456_789, "trading-1.example")
    assert header.encode() == golden_header(schema)


@VERSIONS
def test_the_golden_header_is_read_back(schema: Schema) -> None:
    data = golden_header(schema).ljust(layout.HEADER_SIZE, b"\0")
    header = decode_header(data, layout.HEADER_SIZE + 16_384 * schema.record_size, "ring")
    assert header == Header(schema, 16_384, 0x0123456789ABCDEF, 1_700_000_000_123_456_789, "trading-1.example")


def test_every_offset_is_where_it_was_promised() -> None:
    producer = ["HEAD", "CLAIMED", "DROPPED", "REJECTED", "FLAGGED", "ATTACHED_NS", "CLOSED_NS", "PRODUCER_PID"]
    producer += ["RECREATED", "MOVED_NS"]
    consumer = ["TAIL", "HIGH_WATER", "CONSUMER_HEARTBEAT_NS", "CONSUMER_PID", "ABANDONED_NS"]
    assert [getattr(layout, name) for name in producer] == [256, 264, 272, 280, 288, 296, 304, 312, 320, 328]
    assert [getattr(layout, name) for name in consumer] == [512, 520, 528, 536, 544]
    assert (layout.DESCRIPTOR, layout.HEADER_SIZE, layout.PRODUCER_LOCK, layout.CONSUMER_LOCK) == (
        1024,
        16384,
        256,
        512,
    )


def test_a_ring_in_shared_memory_has_the_documented_bytes() -> None:
    with Producer.open(NAME, MARK, capacity=4) as producer, Consumer.open(NAME) as consumer:
        for price in range(6):
            producer.append(price=float(price), side="buy")
            if price == 1:
                consumer.poll()
                consumer.acknowledge(1)
        assert producer.append(price=6.0) == -1
        data = ring_file().read_bytes()
    assert len(data) == 16_384 + 4 * 32
    assert struct.unpack_from("<QQQQ", data, 256) == (6, 0, 1, 0)
    assert struct.unpack_from("<QQ", data, 512) == (2, 2)
    for seq in range(2, 6):
        fields = struct.unpack_from("<QQdB7x", data, 16_384 + seq % 4 * 32)
        assert fields == (producer.session, seq, float(seq), 1)


def test_a_schema_too_large_for_a_ring_is_refused_and_leaves_nothing() -> None:
    many = Schema.define("many", [(f"field_with_a_long_name_{number:04}", "u1") for number in range(400)])
    with pytest.raises(SchemaError, match="a ring takes 15360"):
        Producer.open(NAME, many, capacity=2)
    assert registry.ring_names() == []


@pytest.mark.parametrize(
    ("head", "tail"), [(4, 5), (0, 1), (5, 0), (1 << 63, (1 << 63) - 1), ((1 << 64) - 1, (1 << 64) - 1)]
)
def test_cursors_no_ring_can_have_are_refused(head: int, tail: int) -> None:
    with pytest.raises(RingCorrupt, match=f"head {head} and tail {tail}"):
        check_cursors(head, tail, 4, "ring")


def test_capacities_are_powers_of_two() -> None:
    assert [number for number in range(-2, 70) if is_capacity(number)] == [2, 4, 8, 16, 32, 64]
    assert is_capacity(layout.MAX_CAPACITY) and not is_capacity(2 * layout.MAX_CAPACITY)


# Damage. A ring is made, damaged, and everything that can attach to a ring tried on it.


def ring_file() -> Path:
    return registry.ring_path(NAME)


def damaged_ring(damage: Callable[[bytearray], bytes | bytearray | None]) -> bytes:
    """Put a damaged ring with two records, one of them read, into the namespace; returns its bytes."""
    data = bytearray(MARK_HEADER.encode().ljust(MARK_HEADER.segment_size, b"\0"))
    struct.pack_into("<QQ", data, layout.HEAD, 2, 2)
    struct.pack_into("<Q", data, layout.TAIL, 1)
    for seq in (0, 1):
        struct.pack_into("<QQd", data, layout.HEADER_SIZE + seq * 32, MARK_HEADER.session, seq, 0.5)
    result = bytes(damage(data) or data)
    ring_file().write_bytes(result)
    return result


def with_crc(data: bytearray) -> None:
    struct.pack_into("<I", data, CONSTANTS.size, zlib.crc32(data[: CONSTANTS.size]))


def use_producer() -> None:
    with Producer.open(NAME, MARK) as producer:
        producer.append(price=1.0)
        producer.append(price=2.0)
        producer.extend(np.zeros(4, MARK.dtype))
        assert isinstance(producer.dropped + producer.rejected + producer.flagged + producer.lag, int)


def use_consumer() -> None:
    with Consumer.open(NAME) as consumer:
        views = consumer.poll()
        if views:
            consumer.acknowledge(consumer.position - 1)


def use_observer() -> None:
    with Observer.open(NAME) as observer:
        observer.state()
        observer.read(0)
        observer.read(observer.oldest, 1)


def use_remove() -> None:
    registry.remove(NAME)


ATTACHED = [use_producer, use_consumer, use_observer, use_remove]


def refusal(use: Callable[[], None]) -> RingbufError | None:
    try:
        use()
    except RingbufError as error:
        return error
    return None


def assert_only_named_errors(data: bytes) -> int:
    """Try everything on a damaged ring; returns how often it was refused. A refusal must change nothing."""
    refused = 0
    for use in ATTACHED:
        error = refusal(use)
        if error is not None:
            refused += 1
            assert "\n" not in str(error) and NAME in str(error)
            assert ring_file().read_bytes() == data
            assert registry.ring_names() == [NAME]
        for left in registry.ring_names():
            registry.remove(left, force=True)
        ring_file().write_bytes(data)
    return refused


def test_the_undamaged_ring_of_these_tests_is_refused_only_for_its_unread_record() -> None:
    assert assert_only_named_errors(damaged_ring(lambda data: None)) == 1


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_any_changed_byte_of_header_and_descriptor_is_refused_everywhere(flip: int) -> None:
    constants = range(CONSTANTS.size + 4)
    descriptor = range(layout.DESCRIPTOR, layout.DESCRIPTOR + len(MARK.descriptor))
    for position in (*constants, *descriptor):
        data = damaged_ring(flipping(position, flip))
        assert assert_only_named_errors(data) == len(ATTACHED), f"byte {position}"


def test_any_changed_byte_of_padding_and_host_is_harmless() -> None:
    for position in (*range(CONSTANTS.size + 4, 64), *range(64, 128)):
        assert assert_only_named_errors(damaged_ring(flipping(position, 0xFF))) == 1


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_any_changed_byte_of_cursors_and_counters_raises_nothing_but_named_errors(flip: int) -> None:
    for position in (*range(layout.HEAD, layout.HEAD + 64), *range(layout.TAIL, layout.TAIL + 32)):
        assert_only_named_errors(damaged_ring(flipping(position, flip)))


def flipping(position: int, flip: int) -> Callable[[bytearray], None]:
    def damage(data: bytearray) -> None:
        data[position] ^= flip

    return damage


def test_a_counter_at_its_end_begins_anew() -> None:
    damaged_ring(lambda data: struct.pack_into("<Q", data, layout.DROPPED, (1 << 64) - 1))
    with Producer.open(NAME, MARK) as producer:
        producer.extend(np.zeros(5, MARK.dtype))
        assert producer.dropped == 1


@pytest.mark.parametrize("size", [1, 7, 8, 51, 56, 1024, 16_383, 16_384, 16_385, 16_384 + 127, 16_384 + 129])
def test_a_ring_cut_or_grown_is_refused_everywhere(size: int) -> None:
    data = damaged_ring(lambda data: data.ljust(size, b"x")[:size])
    assert assert_only_named_errors(data) == len(ATTACHED)


@pytest.mark.parametrize("data", [b"", b"\0" * 8, b"\0" * 20_000])
def test_a_ring_without_a_header_is_incomplete_until_a_producer_completes_it(data: bytes) -> None:
    ring_file().write_bytes(data)
    for open_it in (Consumer.open, Observer.open, registry.remove):
        with pytest.raises(RingIncomplete):
            open_it(NAME)
    use_producer()
    use_consumer()
    use_observer()


@pytest.mark.parametrize("data", [b"RIFF and so on", b"\x7fELF" + b"\0" * 30_000, b"\0\0\0\0\0\0\0\1", b"RINGBUF\1"])
def test_a_foreign_file_is_refused_everywhere(data: bytes) -> None:
    ring_file().write_bytes(data)
    assert assert_only_named_errors(data) == len(ATTACHED)


@pytest.mark.parametrize(
    ("offset", "code", "value", "error"),
    [
        (8, "I", 2, RingVersion),
        (8, "I", 0, RingVersion),
        (12, "I", 8192, RingCorrupt),
        (16, "I", 40, RingCorrupt),
        (20, "I", 7, RingCorrupt),
        (24, "Q", 3, RingCorrupt),
        (24, "Q", 8, RingCorrupt),
        (24, "Q", 0, RingCorrupt),
        (24, "Q", 1 << 63, RingCorrupt),
        (48, "I", 5, RingCorrupt),
        (48, "I", 0, RingCorrupt),
        (48, "I", 0xFFFFFFFF, RingCorrupt),
    ],
)
def test_a_header_that_contradicts_itself_is_refused_though_its_crc_is_right(
    offset: int, code: str, value: int, error: type[RingbufError]
) -> None:
    def damage(data: bytearray) -> None:
        struct.pack_into(f"<{code}", data, offset, value)
        with_crc(data)

    data = damaged_ring(damage)
    with pytest.raises(error):
        decode_header(data[: layout.HEADER_SIZE], len(data), f"ring {NAME!r}")
    assert assert_only_named_errors(data) == len(ATTACHED)


def test_a_descriptor_that_is_no_schema_is_refused_though_its_crcs_are_right() -> None:
    def damage(data: bytearray) -> None:
        descriptor = b'{"fields":[]}'
        data[layout.DESCRIPTOR : layout.DESCRIPTOR + len(descriptor)] = descriptor
        struct.pack_into("<I", data, 20, zlib.crc32(descriptor))
        struct.pack_into("<I", data, 48, len(descriptor))
        with_crc(data)

    assert assert_only_named_errors(damaged_ring(damage)) == len(ATTACHED)


def test_the_golden_record_is_what_numpy_reads() -> None:
    data = bytes.fromhex((GOLDEN / "execution_record_2.hex").read_text())
    record: Any = np.frombuffer(data, EXECUTION.dtype)[0]
    assert len(data) == 1216
    assert (record["session"], record["seq"], record["captured_ns"]) == (0, 0, 0)
    assert (record["side"], record["last_price"], record["last_quantity"]) == (1, 64000.5, 0.1)
    assert (record["symbol"], record["trade_id"]) == (b"BTC-PERPETUAL", b"T-7")
    assert np.isnan(record["stop_price"])
    assert (record["market_ns"], record["flags"]) == (1_699_999_999_999_999_000, Flag.TIME_RESCALED)
    assert record["exact"] == b"f=-0.000010000000000000001;t=6400.05000000000000001"
    assert exact_number(record, "commission") == Decimal("-0.000010000000000000001")


def test_the_golden_record_of_version_1_is_still_read_by_its_descriptor() -> None:
    data = bytes.fromhex((GOLDEN / "execution_record_1.hex").read_text())
    record: Any = np.frombuffer(data, EXECUTION_1.dtype)[0]
    assert (len(data), EXECUTION_1.version, EXECUTION_1.schema_id) == (704, 1, 0x72CEAA58)
    assert (record["side"], record["last_price"], record["last_quantity"]) == (1, 64000.5, 0.1)
    assert (record["symbol"], record["trade_id"], record["text"]) == (b"BTC-PERPETUAL", b"T-7", "größer".encode())
    assert exact_number(record, "commission") == Decimal("-0.00001")
    assert exact_number(record, "arrival_price") is None


def test_what_version_1_has_is_where_it_was() -> None:
    assert {name: EXECUTION.fields[name] for name in EXECUTION_1.names} == EXECUTION_1.fields
    for name, words in EXECUTION_1.words.items():
        assert EXECUTION.words[name].items() >= words.items()
    assert EXECUTION_1.names == tuple(field.name for field in FIELDS if field.version == 1)
