"""The loader's state on disk."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.errors import JournalCorrupt, JournalVersion
from ringbuf.state.checkpoint import Checkpoint, Intent, decode, encode, load, save

STATE = Checkpoint("embedded ringbuf", 128, Intent(128, 256, ("a", "b")))
GOLDEN = (
    b'{"crc":"910859a0","state":{"destination":"embedded ringbuf","intent":'
    b'{"begin":128,"end":256,"tokens":["a","b"]},"offset":128},"version":1}\n'
)


def test_the_bytes_are_pinned() -> None:
    assert encode(STATE) == GOLDEN
    assert decode(GOLDEN, "file") == STATE


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
    with pytest.raises(JournalVersion, match="version 9, this release reads version 1"):
        decode(GOLDEN.replace(b'"version":1', b'"version":9'), "file")
