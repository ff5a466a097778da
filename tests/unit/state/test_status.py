"""What a writer says about itself: the file in its directory, and the latencies in it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import ConfigurationError
from ringbuf.journal.files import Files
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range
from ringbuf.state import status as status_file
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.status import REFRESH_NS, StatusFile
from ringbuf.writer.load.batch import Insert, Piece
from ringbuf.writer.load.latency import WINDOW, Latency

NOW_NS = 1_790_000_000_000_000_000


def status(updated_ns: int, captured: int = 0) -> dict[str, Any]:
    return {"updated_ns": updated_ns, "captured": captured, "journal": {"end": captured * 704}}


def test_a_status_is_replaced_when_it_changed_or_grew_old_and_at_no_other_time(tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "status.json")
    shown = []
    for each in (
        status(NOW_NS),
        status(NOW_NS + 1),
        status(NOW_NS + 2, captured=1),
        status(NOW_NS + 1 + REFRESH_NS, captured=1),
        status(NOW_NS + 2 + REFRESH_NS, captured=1),
        status(NOW_NS, captured=1),  # the clock was put back
        status(NOW_NS, captured=1),
    ):
        file.show(each)
        found = status_file.read(tmp_path / "status.json")
        assert found is not None
        shown.append((found["updated_ns"] - NOW_NS, found["captured"]))
    assert shown == [(0, 0), (0, 0), (2, 1), (2, 1), (2 + REFRESH_NS, 1), (0, 1), (0, 1)]
    assert os.listdir(tmp_path) == ["status.json"]


def test_a_status_that_the_disk_takes_in_part_leaves_the_old_one_and_is_written_the_next_time(tmp_path: Path) -> None:
    room = [1_000]

    def pwritev(fd: int, content: Sequence[memoryview], position: int) -> int:
        taken = min(room[0], content[0].nbytes)
        room[0] -= taken
        return os.pwrite(fd, content[0][:taken], position)

    file = StatusFile(tmp_path / "status.json", Files(pwritev=pwritev))
    file.show(status(NOW_NS))
    room[0] = 10
    with pytest.raises(OSError, match="takes no bytes"):
        file.show(status(NOW_NS + 1, captured=1))
    room[0] = 1_000
    assert status_file.read(tmp_path / "status.json") == status(NOW_NS)
    file.show(status(NOW_NS + 2, captured=1))
    assert status_file.read(tmp_path / "status.json") == status(NOW_NS + 2, captured=1)


@pytest.mark.parametrize(
    "sink",
    [
        5,
        "server",
        [["kind", "server"]],
        {},
        {"kind": "server", "url": None, "database": "d"},
        {"kind": "server", "url": 5, "database": "d"},
        {"kind": "embedded", "database": "d"},
        {"kind": "embedded", "url": None, "database": None},
        {"kind": None, "url": None, "database": "d"},
    ],
)
def test_a_status_that_somebody_altered_is_said_to_be_none(tmp_path: Path, sink: object) -> None:
    directory = DataDirectory(tmp_path)
    directory.status.write_text(json.dumps({"sink": {"kind": "embedded", "url": None, "database": "d"}}))
    status_file.of_writer(directory)
    directory.status.write_text(json.dumps({"sink": sink}))
    with pytest.raises(ConfigurationError, match=r"it has no intact status\.json"):
        status_file.of_writer(directory)


# Latencies


def observe(latency: Latency, *milliseconds: int) -> None:
    """Records were acknowledged so many milliseconds after their append, in one insert."""
    records = np.zeros(len(milliseconds), EXECUTION.dtype)
    records["captured_ns"] = NOW_NS - np.array(milliseconds) * 1_000_000
    piece = Piece(Range(1, 0, len(records)), memoryview(records.tobytes()))
    latency.observe(Insert(EXECUTION, [piece]), NOW_NS)


def test_latencies_are_those_of_the_records_at_their_ranks() -> None:
    latency = Latency()
    assert latency.summary() == {"p50": None, "p99": None, "max": None, "count": 0}
    observe(latency, 7)
    assert latency.summary() == {"p50": 7.0, "p99": 7.0, "max": 7.0, "count": 1}
    observe(latency, 3)
    assert latency.summary() == {"p50": 3.0, "p99": 7.0, "max": 7.0, "count": 2}
    observe(latency, *range(8, 106))
    assert latency.summary() == {"p50": 55.0, "p99": 104.0, "max": 105.0, "count": 100}


def test_the_oldest_latencies_are_forgotten() -> None:
    latency = Latency()
    observe(latency, 900)
    for _ in range(WINDOW // 4_096):
        observe(latency, *[5] * 4_096)
    assert latency.summary() == {"p50": 5.0, "p99": 5.0, "max": 5.0, "count": WINDOW}


def test_a_summary_belongs_to_who_asked() -> None:
    latency = Latency()
    observe(latency, 7)
    latency.summary()["p50"] = 0.0
    assert latency.summary()["p50"] == 7.0


@pytest.mark.parametrize("code", ["S8", "V8", "u8", "f8"])
def test_a_field_that_only_is_called_like_the_time_of_capture_is_none(code: str) -> None:
    schema = Schema.define("ticks", [("captured_ns", code)])
    record = np.zeros(1, schema.dtype)
    latency = Latency()
    latency.observe(Insert(schema, [Piece(Range(1, 0, 1), memoryview(record.tobytes()))]), NOW_NS)
    assert latency.summary()["count"] == 0
