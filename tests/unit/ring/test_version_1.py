"""A ring, a journal and a quarantine of release 0.1.0 are read as they were written."""

import json
from decimal import Decimal

import numpy as np
import pytest
from click.testing import CliRunner

from ringbuf.journal.reader import Frame, JournalReader
from ringbuf.record.execution import EXECUTION
from ringbuf.record.number import exact_number
from ringbuf.record.schema import Schema
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.registry import ring_names
from ringbuf.state.quarantine import Entry, read
from ringbuf.strategies import Recorder
from ringbuf.tools.cli import main
from tests.version_1 import EXECUTION_1, FILES, bring_ring

pytestmark = pytest.mark.usefixtures("implementation")


def tool(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_ring_is_consumed_from_where_the_old_writer_left_it() -> None:
    bring_ring()
    with Consumer.open("mm-btc") as consumer:
        (records,) = consumer.poll()
        assert records["seq"].tolist() == [2, 3, 4, 5]
        assert records.dtype == EXECUTION_1.dtype
        assert [exact_number(record, "last_quantity") for record in records] == [
            None,
            Decimal("0.30000000000000004"),
            None,
            Decimal("0.5"),
        ]
        assert records["text"][1] == "größer".encode()


def test_a_strategy_that_comes_back_sets_the_old_ring_aside_and_loses_nothing() -> None:
    bring_ring()
    with Recorder.open("mm-btc") as recorder:
        bound = recorder.bind(exchange="deribit", account="A1", symbol="BTC-PERPETUAL", strategy="mm-btc")
        assert bound.fill(side="buy", last_price="1.5", last_quantity="2", user="ann") == 0
    (aside,) = [name for name in ring_names() if name.startswith("mm-btc~")]
    with Observer.open(aside) as old, Observer.open("mm-btc") as new:
        assert (old.header.schema, old.head, old.state().tail) == (EXECUTION_1, 6, 2)
        assert (new.header.schema, new.head) == (EXECUTION, 1)
        assert new.header.session != old.header.session


def test_the_tool_shows_a_ring_as_before() -> None:
    bring_ring()
    shown = json.loads(tool("show", "mm-btc", "--json"))["schema"]
    assert (shown["version"], shown["record_size"]) == (1, 704)
    last = tool("tail", "mm-btc", "-n", "1").split()
    assert last[1:] == [
        "#5", "fill", "filled", "buy", "0.5@64000.5", "BTC-PERPETUAL", "deribit/A1",
        "order=O-4", "trade=T-5", "client_order=c-4", "text=größer",
    ]  # fmt: skip


def test_a_journal_is_read() -> None:
    frames = [item for item in JournalReader(FILES / "journal").frames() if isinstance(item, Frame)]
    records = np.concatenate([frame.records(EXECUTION_1) for frame in frames if frame.count])
    assert records["seq"].tolist() == [0, 1, 2, 3]
    assert records["trade_id"].tolist() == [b"", b"T-1", b"", b"T-3"]


def test_a_line_of_the_quarantine_is_read() -> None:
    (entry,) = read(FILES / "quarantine.jsonl")
    assert isinstance(entry, Entry)
    schema = Schema.from_descriptor(entry.descriptor.encode())
    records = np.frombuffer(entry.payload, schema.dtype)
    assert (schema, entry.count) == (EXECUTION_1, 2)
    assert records["last_price"][1] == 1e30
