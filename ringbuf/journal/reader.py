"""A reader of the journal that modifies nothing.

Constraints

- One writer process appends; any number of readers, in any process, read at the same time.
- Whatever bytes are in a file, a reader gives intact records or names the region it could not read.
- Nothing is given out that was not checked, and nothing is allocated from a length that was not checked.

Format

See `ringbuf.journal.frame`, which has every byte of it:

      00000000000000000000.journal            00000000000067108736.journal
    +--------+-----------+---------+-----+   +--------+-----------+---------+------+
    | header | sessions… | records | …   |   | header | sessions… | records | tail |
    +--------+-----------+---------+-----+   +--------+-----------+---------+------+
    offset 0                                 offset 67,108,736

Operation

A segment ends where the next one begins, even if its file is longer: after a failed sync the writer goes on in a new
segment at the last offset known to be durable. A segment comes into being with a session frame per live session, and a
new session's frame stands in front of its first records, so each segment can be read alone.

Recovery

A region whose bytes fail their check is reported as `Damage`, and reading goes on with the next frame header that is
intact. What follows the last intact frame of the last segment is its `Tail`: an append under way, or one cut short by a
crash. Only the writer cuts a tail off, when it starts.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from isal.isal_zlib import crc32

from ringbuf.errors import JournalCorrupt, JournalError
from ringbuf.journal.frame import (
    ALIGNMENT,
    FRAME_MAGIC,
    HEADER_SIZE,
    MAX_PAYLOAD,
    RECORDS,
    SESSION,
    Frame,
    FrameHeader,
    check_segment_header,
    decode_frame_header,
    decode_session,
)
from ringbuf.journal.segment_file import WINDOW, Buffer, SegmentFile, Window, open_segment
from ringbuf.record.schema import Schema
from ringbuf.record.session import SessionInfo

__all__ = [
    "MAX_PAYLOAD",
    "RECORDS",
    "SESSION",
    "Buffer",
    "Damage",
    "Frame",
    "FrameHeader",
    "JournalReader",
    "SegmentFile",
    "SessionInfo",
    "Tail",
]

_SEGMENT_NAME = re.compile(r"([0-9]{20})\.journal")
_MAX_BASE = 1 << 62
Wanted: TypeAlias = Callable[[FrameHeader], bool]


@dataclass(frozen=True)
class Damage:
    """A region that could not be read.

    Attributes:
        offset: journal offset where it begins.
        end: journal offset behind it.
        reason: what was found, with the values expected and seen; one line.
        header: header of the frame if that much is intact: it names the records that are lost.
    """

    offset: int
    end: int
    reason: str
    header: FrameHeader | None = None


@dataclass(frozen=True)
class Tail:
    """What follows the last intact frame of the last segment: an append under way, or one a crash cut short.

    Attributes:
        offset: journal offset where it begins.
        end: journal offset behind it.
        reason: what is incomplete about it; one line.
    """

    offset: int
    end: int
    reason: str


class JournalReader:
    """Reads the journal in a directory; safe while its writer appends.

    Attributes:
        sessions: what the last frames met so far say, by session.
        schemas: the schemas met so far, by schema id.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.sessions: dict[int, SessionInfo] = {}
        self.schemas: dict[int, Schema] = {}
        self._directory = Path(directory)
        self._known = (-1, -1)  # base of a segment, and up to where its session frames are known
        self._searched = False

    def segments(self) -> list[SegmentFile]:
        """The segment files there are now, in order.

        Raises:
            JournalError: the directory cannot be read.
            JournalCorrupt: something named like a segment cannot be one.
        """
        found = []
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if match := _SEGMENT_NAME.fullmatch(entry.name):
                        base = int(match[1])
                        if base % ALIGNMENT or base > _MAX_BASE or not entry.is_file(follow_symlinks=False):
                            raise JournalCorrupt(
                                f"{entry.path} is named like a segment, but no segment can be there",
                                "move it out of the journal's directory",
                            )
                        with suppress(FileNotFoundError):  # retention may remove it meanwhile
                            size = entry.stat(follow_symlinks=False).st_size
                            found.append(SegmentFile(base, Path(entry.path), size))
        except FileNotFoundError as error:
            raise JournalError(f"there is no journal {self._directory}: {error}", "check the path") from error
        except OSError as error:
            raise JournalError(f"journal {self._directory} cannot be read: {error}", "check its owner") from error
        return sorted(found, key=lambda segment: segment.base)

    def frames(
        self,
        begin: int | None = None,
        end: int | None = None,
        buffer: Buffer | None = None,
        wanted: Wanted | None = None,
    ) -> Iterator[Frame | Damage | Tail]:
        """Read frames in order.

        Everything from `begin` on is covered, without overlap, by what comes out and by what is not wanted.

        Args:
            begin: journal offset of a frame, the `end` of one, or a segment's base; the oldest there is if not given.
            end: journal offset up to which the journal is known to be complete (the writer's `durable_end`); whatever
                is missing below it is damage. If not given: read what there is, which may end in a `Tail`, may not be
                durable yet, and may be written again at another offset after a disk failure.
            buffer: the frames' payloads are views of it, valid until it is cleared. Reading ends before the first frame
                that does not fit into what is free of it, unless that is the first of all.
            wanted: says of each frame of records, by its header, whether it comes out; if not, its payload is not read.

        Raises:
            JournalError: the journal cannot be read, or ends before `begin`.
            JournalVersion: a segment was written in another version of the format.
        """
        segments = self.segments()
        position = begin if begin is not None else segments[0].base if segments else 0
        if position < 0 or position % ALIGNMENT:
            raise JournalError(
                f"journal offset {position} is no multiple of {ALIGNMENT}", "begin at the end of a frame"
            )
        for index, segment in enumerate(segments):
            following = segments[index + 1].base if index + 1 < len(segments) else None
            if following is not None and following <= position:
                continue
            if end is not None and end <= max(position, segment.base):
                break
            if position < segment.base:
                yield Damage(position, segment.base, f"no segment holds offsets {position} to {segment.base}")
                position = segment.base
            known_end = min((limit for limit in (following, end) if limit is not None), default=None)
            yield from self._segment_frames(segment, position, known_end, buffer, wanted)
            if buffer is not None and buffer.is_full:
                return
            position = known_end if known_end is not None else position
        if end is not None and position < end:
            yield Damage(position, end, f"no segment holds offsets {position} to {end}")

    def _segment_frames(
        self, segment: SegmentFile, begin: int, end: int | None, buffer: Buffer | None, wanted: Wanted | None
    ) -> Iterator[Frame | Damage | Tail]:
        try:
            with open_segment(segment, buffer) as (window, file_end):
                if begin > file_end and end is None:
                    raise JournalError(
                        f"journal {self._directory} ends at {file_end}, asked for offset {begin}",
                        "its tail was cut off, or it is another journal",
                    )
                stop = file_end if end is None else min(file_end, end)
                yield from self._checked(window, begin, stop, wanted, is_open=end is None)
            is_full = buffer is not None and buffer.is_full
            if end is not None and file_end < end and not is_full:
                reason = f"segment {segment.path.name} ends at {file_end}, expected {end}"
                yield Damage(max(begin, file_end), end, reason)
        except FileNotFoundError:
            if end is not None:
                yield Damage(begin, end, f"segment {segment.path.name} was removed before it was read")

    def _checked(
        self, window: Window, begin: int, stop: int, wanted: Wanted | None, *, is_open: bool
    ) -> Iterator[Frame | Damage | Tail]:
        """Frames of one segment; `is_open` if a damaged region that reaches its end is a tail."""
        known = self._known[1] if self._known[0] == window.base else window.base
        self._learn_sessions(window.without_buffer(), known, begin)
        self._known = (window.base, max(known, begin))
        next_frame = begin
        for item in _scan(window, begin, stop, wanted):
            if is_open and isinstance(item, Damage) and item.offset >= next_frame:
                behind = (each.offset for each in _scan(window, item.end, stop) if isinstance(each, Frame))
                next_frame = next(behind, stop)
                if next_frame == stop:
                    yield Tail(item.offset, stop, item.reason)
                    return
            self._known = (window.base, max(self._known[1], item.end))
            yield self._understood(item) if isinstance(item, Frame) else item

    def _understood(self, frame: Frame) -> Frame | Damage:
        """The frame, once its session is known; intact bytes that nobody can interpret are damage too."""
        if frame.kind == SESSION:
            try:
                info = decode_session(frame.payload, frame)
            except JournalCorrupt as error:
                return Damage(frame.offset, frame.end, error.what, frame)
            self.sessions[info.session] = info
            self.schemas[frame.schema_id] = info.schema
        elif frame.session not in self.sessions:
            self._search_sessions()
            if frame.session not in self.sessions:
                return Damage(frame.offset, frame.end, f"{frame}, which no session frame describes", frame)
        elif self.sessions[frame.session].ended:  # and then another process went on with the ring
            self.sessions[frame.session] = replace(self.sessions[frame.session], ended=False)
        return frame

    def _learn_sessions(self, window: Window, begin: int, stop: int) -> None:
        for item in _scan(window, begin, stop, lambda _: False):
            if isinstance(item, Frame):
                self._understood(item)

    def _search_sessions(self) -> None:
        """Look once through all segments: the session frame of the present one may be damaged."""
        if not self._searched:
            self._searched = True
            for segment in self.segments():
                with suppress(FileNotFoundError), open_segment(segment) as (window, file_end):
                    self._learn_sessions(window, segment.base, file_end)


def _scan(window: Window, offset: int, stop: int, wanted: Wanted | None = None) -> Iterator[Frame | Damage]:
    """Frames and damaged regions of a segment; frames of records that are not wanted are passed over unchecked."""
    headers = window
    if wanted is not None:
        headers, window = window.without_buffer(), window.without_ahead()  # or both the same
    while offset < stop:
        try:
            if offset == window.base:
                check_segment_header(headers.read(offset, HEADER_SIZE, stop), window.base)
                offset += HEADER_SIZE
                continue
            header = decode_frame_header(headers.read(offset, HEADER_SIZE, stop), offset)
        except JournalCorrupt as error:
            found = _next_header(headers, offset + HEADER_SIZE, stop)
            yield Damage(offset, found, error.what)
            offset = found
            continue
        if header.end > stop:
            yield Damage(offset, stop, f"{header} ends at {header.end}, the segment at {stop}", header)
            return
        if wanted is None or header.kind == SESSION or wanted(header):
            if not window.has_room(header):
                return
            payload = window.read(offset + HEADER_SIZE, header.length, stop)
            computed = crc32(payload)
            if computed == header.payload_crc:
                yield Frame.of(header, payload)
            else:
                reason = f"{header} has payload CRC {header.payload_crc:#010x}, its bytes give {computed:#010x}"
                yield Damage(offset, header.end, reason, header)
        offset = header.end


def _next_header(window: Window, offset: int, stop: int) -> int:
    """Offset of the next intact frame header, or `stop`."""
    while offset + HEADER_SIZE <= stop:
        piece = window.read(offset, min(WINDOW, stop - offset) // ALIGNMENT * ALIGNMENT, stop)
        words = np.frombuffer(piece[: len(piece) // ALIGNMENT * ALIGNMENT], "<u4")
        for index in np.flatnonzero(words[:: ALIGNMENT // 4] == FRAME_MAGIC).tolist():
            at = index * ALIGNMENT
            try:
                decode_frame_header(piece[at : at + HEADER_SIZE], offset + at)
            except JournalCorrupt:
                continue
            return offset + at
        if len(piece) < ALIGNMENT:
            break
        offset += len(piece) // ALIGNMENT * ALIGNMENT
    return stop
