"""The reader and the recovery of the journal on any bytes."""

import os
import random
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path

from ringbuf.errors import JournalVersion
from ringbuf.journal.frame import HEADER_SIZE, decode_frame_header
from ringbuf.journal.reader import Damage, Frame, JournalReader, Tail
from tests.journals import (
    FRAME_SIZE,
    append,
    info,
    reopen,
    segments,
    ticks,
)


def test_no_bytes_make_the_reader_or_the_recovery_fail_in_another_way(three_segments: Path, tmp_path: Path) -> None:
    """Mutated segments give intact records, damage, or a named error, and a journal that goes on."""
    chance = random.Random(20_240_607)
    whole = {path.name: path.read_bytes() for path in segments(three_segments)}
    for _ in range(400):
        copy = tmp_path / "copy"
        copy.mkdir()
        for name, content in whole.items():
            (copy / name).write_bytes(mutated(chance, content))
        before = {path.name: path.read_bytes() for path in segments(copy)}
        try:
            check_bytes(copy)
            journal = reopen(copy)
        except JournalVersion:
            assert {path.name: path.read_bytes() for path in segments(copy)} == before
            shutil.rmtree(copy)
            continue
        if journal.next_seq(7) is None:
            journal.add_session(info(7), 0)
        append(journal)
        end = journal.sync()
        journal.close()
        assert next(JournalReader(copy).frames(end - FRAME_SIZE)).end == end
        assert not any(isinstance(item, Tail) for item in JournalReader(copy).frames())
        shutil.rmtree(copy)


def test_a_segment_full_of_damage_is_read_in_one_go(one_segment: Path) -> None:
    """Each damaged frame could be a torn tail; looking for an intact one from each anew would take minutes."""
    path = segments(one_segment)[0]
    end = path.stat().st_size
    last = decode_frame_header(path.read_bytes()[-FRAME_SIZE:], end - FRAME_SIZE)
    with path.open("ab") as file:
        for frame in range(20_000):
            file.write(replace(last, offset=end + frame * FRAME_SIZE).encode() + bytes(FRAME_SIZE - HEADER_SIZE))
        intact = ticks(7, last.first_seq, last.count).tobytes()
        file.write(replace(last, offset=end + 20_000 * FRAME_SIZE).encode() + intact.ljust(FRAME_SIZE - HEADER_SIZE))
    items = list(JournalReader(one_segment).frames())
    assert sum(isinstance(item, Damage) for item in items) == 20_000
    assert isinstance(items[-1], Frame)


def test_a_file_cut_while_it_is_read_ends_where_it_was_cut(one_segment: Path) -> None:
    path = segments(one_segment)[0]
    end = path.stat().st_size
    with path.open("ab") as file:
        file.truncate(end + 5_000_000)
    items = JournalReader(one_segment).frames()
    assert isinstance(next(items), Frame)
    os.truncate(path, end)
    *frames, tail = items
    assert all(isinstance(item, Frame) for item in frames) and len(frames) == 6
    assert isinstance(tail, Tail) and tail.offset == end


def mutated(chance: random.Random, content: bytes) -> bytes:
    """The bytes with one to three things done to them."""
    changed = bytearray(content)
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(changed) + 1)
        length = chance.choice([1, 4, 8, 64, 300])
        match chance.randrange(7):
            case 0:
                changed[at : at + length] = chance.randbytes(length)
            case 1:
                changed[at : at + length] = b""
            case 2:
                changed[at:at] = chance.randbytes(length)
            case 3:
                del changed[at:]
            case 4:
                changed[at : at + length] = bytes(length)
            case 5:
                source = chance.randrange(len(content))
                changed[at : at + length] = content[source : source + length]
            case 6:
                forge(chance, changed)
    return bytes(changed)


def forge(chance: random.Random, content: bytearray) -> None:
    """Change a field of some header and make its CRC right again."""
    at = chance.randrange(0, max(1, len(content) // 64)) * 64
    if len(content) < at + 64:
        return
    field = chance.choice([4, 8, 16, 24, 28, 32, 36, 40, 48, 56])
    content[at + field : at + field + 4] = chance.choice([bytes(4), b"\xff" * 4, chance.randbytes(4)])
    is_version = at == 0 and field == 8
    if not is_version:
        content[at + 60 : at + 64] = struct.pack("<I", zlib.crc32(content[at : at + 60]))


def check_bytes(directory: Path) -> None:
    before = {path.name: path.read_bytes() for path in segments(directory)}
    position = -1
    for item in JournalReader(directory).frames():
        assert position <= item.offset < item.end
        position = item.end
        if isinstance(item, Frame):
            assert decode_frame_header(item.encode(), item.offset).end == item.end
            assert zlib.crc32(item.payload) == item.payload_crc
    assert {path.name: path.read_bytes() for path in segments(directory)} == before, "a reader changed a file"
