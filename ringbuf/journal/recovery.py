"""What the newest segments say when a journal is opened to append: where they end, and what each session expects."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ringbuf.journal.frame import HEADER_SIZE
from ringbuf.journal.reader import Damage, JournalReader, SegmentFile, Tail
from ringbuf.record.session import SessionInfo

LOGGER: Final = logging.getLogger("ringbuf.writer")


@dataclass
class SessionState:
    """What the journal has of a session; `info` is None if its session frame was damaged."""

    info: SessionInfo | None
    next_seq: int
    durable_seq: int


class Recovered(NamedTuple):
    """What a segment holds: where its frames end, what its sessions expect, and what is behind."""

    end: int
    sessions: dict[int, SessionState]
    tail: Tail | None
    is_header_intact: bool


def read_segment(directory: Path, segment: SegmentFile, limit: int | None) -> Recovered:
    """Read a segment up to a journal offset, or to its end."""
    reader = JournalReader(directory)
    end = segment.base + (HEADER_SIZE if segment.size >= HEADER_SIZE else 0)
    expected: dict[int, int] = {}
    tail, is_header_intact = None, True
    for item in reader.frames(segment.base, limit):
        if isinstance(item, Tail):
            end, tail = item.offset, item
            break
        end = item.end
        if isinstance(item, Damage):
            LOGGER.error("journal %s is damaged from %d to %d: %s", directory, item.offset, item.end, item.reason)
            is_header_intact = is_header_intact and item.offset != segment.base
        header = item.header if isinstance(item, Damage) else item
        if header is not None:
            expected[header.session] = header.first_seq + header.count
    infos = reader.sessions
    sessions = {session: SessionState(infos.get(session), seq, seq) for session, seq in expected.items()}
    return Recovered(end, sessions, tail, is_header_intact)
