"""The loader's state on disk."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.errors import JournalCorrupt, JournalVersion
from ringbuf.state.checkpoint import Checkpoint, CheckpointFile, Intent, Straggler, decode, encode, load, save

STATE = Checkpoint(
    "embedded ringbuf",
    128,
    Intent(128, 256, {"executions": ("a", "b")}),
    {
        "ticks": Straggler(64, Intent(64, 128, {"ticks": ("c",)}), 7, "what", "hint", 3, 256),
        "events": Straggler(192, None, 8, "why", "", 0, 192, until=192),
    },
)
GOLDEN = (
    b'{"crc":"2b71a3b6","state":{"destination":"embedded ringbuf","intent":{"begin":128,"end":256,"tokens"'
    b':{"executions":["a","b"]}},"offset":128,"stragglers":{"events":{"counted":192,"hint":"","intent":nul'
    b'l,"offset":192,"reason":"why","records":0,"since_ns":8,"until":192},"ticks":{"counted":256,"hint":"h'
    b'int","intent":{"begin":64,"end":128,"tokens":{"ticks":["c"]}},"offset":64,"reason":"what","records":'
    b'3,"since_ns":7,"until":null}}},"version":2}\n'
)
OF_VERSION_1 = (
    b'{"crc":"910859a0","state":{"destination":"embedded ringbuf","intent":'
    b'{"begin":128,"end":256,"tokens":["a","b"]},"offset":128},"version":1}\n'
)


def test_the_bytes_are_pinned() -> None:
    assert encode(STATE) == GOLDEN
    assert decode(GOLDEN, "file") == STATE


def test_a_state_of_version_1_is_read_and_its_batch_recognised() -> None:
    found = decode(OF_VERSION_1, "file")
    assert (found.destination, found.offset, found.stragglers) == ("embedded ringbuf", 128, {})
    assert found.intent is not None
    assert found.intent.is_of(128, 256, {"executions": ("b",), "ticks": ("a",)})
    assert not found.intent.is_of(128, 256, {"executions": ("b",)})
    assert not found.intent.is_of(128, 320, {"executions": ("a", "b")})
    assert decode(encode(found), "file") == found


def test_each_schema_has_its_place() -> None:
    """The journal keeps what the lowest needs, and goes on behind the highest."""
    assert (STATE.lowest, STATE.highest) == (64, 192)
    assert {name: STATE.offset_of(name) for name in ("executions", "ticks", "events")} == {
        "executions": 128,
        "ticks": 64,
        "events": 192,
    }
    assert list(STATE.behind) == ["ticks"]


def test_a_change_is_on_the_disk_and_one_that_changes_nothing_is_not_written(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "loader.json", STATE)
    file.change(lambda now: now)
    assert not (tmp_path / "loader.json").exists()
    file.change(lambda now: replace(now, offset=192))
    assert load(tmp_path / "loader.json") == file.current == replace(STATE, offset=192)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert load(tmp_path / "loader.json") is None
    save(tmp_path / "loader.json", STATE)
    assert load(tmp_path / "loader.json") == STATE
    without = Checkpoint("embedded ringbuf", 512)
    save(tmp_path / "loader.json", without)
    assert load(tmp_path / "loader.json") == without
    assert [path.name for path in tmp_path.iterdir()] == ["loader.json"]
    assert (tmp_path / "loader.json").stat().st_mode & 0o777 == 0o600


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(len(GOLDEN) - 1):
        for bit in range(8):
            damaged = bytearray(GOLDEN)
            damaged[position] ^= 1 << bit
            with contextlib.suppress(JournalCorrupt, JournalVersion):
                assert decode(bytes(damaged), "file") == STATE  # 1.0e0 for 1 and the like say the same


def test_every_cut_is_noticed() -> None:
    for length in range(len(GOLDEN) - 1):
        with pytest.raises(JournalCorrupt):
            decode(GOLDEN[:length], "file")


@given(st.binary())
def test_any_bytes_give_a_named_error(content: bytes) -> None:
    with pytest.raises((JournalCorrupt, JournalVersion)):
        decode(content, "file")


def test_another_version_is_refused_with_both_numbers() -> None:
    with pytest.raises(JournalVersion, match="version 9, this release reads versions 1 to 2"):
        decode(GOLDEN.replace(b'"version":2', b'"version":9'), "file")
