"""The append side of the journal.

Constraints

- One writer process at a time; the service holds the data directory's lock.
- What `durable_end` and `durable_seq` say survives the loss of the host, provided that the disk keeps what it synced.
- Records go from the ring's memory to the file without a copy.

Format

See `ringbuf.journal.frame`.

Operation

Once per cycle: `append` for each ring with news, one `sync`, then each ring is acknowledged up to `durable_seq`.
A segment that would grow beyond the limit is synced and the next one begun. A segment is written under another name,
synced and then renamed, so one that exists has all its session frames.

Failures

- A write fails (disk full, quota, I/O error): what was written of the frame is cut off and `JournalFull` raised. Frames
  before it stay. The same append can be tried again later.
- A sync fails, or cutting off does: nothing since the last good sync counts as written, for the kernel may have dropped
  those pages. The segment is left behind, `JournalFull` raised, and every session goes back to what is durable. The
  next append begins a new segment at the last durable offset, which hides whatever the old file has behind it.
- A new segment cannot be made: `JournalFull`; the next append tries again.
- The segment that is written loses its name (somebody removed it, or put another file in its place): before anything
  counts as durable it is written once more under its name. If that fails, it is as if the sync had failed.
- The data directory is gone, or another writer has it: `JournalLost`. Nothing counts as durable from then on, for the
  next start would not find it.

So after any `JournalFull` ask `next_seq` again for every session.

Recovery

`open` reads the last segment alone: its session frames and the frames behind them say what each session expects next.
A torn tail is cut off, the rest is synced (its writer may have died before its sync), and appending goes on behind it.
Damage in front of intact frames is left for readers to report. A last segment without an intact header is left behind
too: if it holds no intact frame it is written anew, else the next segment begins at its end.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import numpy as np
from isal.isal_zlib import crc32

from ringbuf.errors import ConfigurationError, JournalError, JournalFull, JournalLost
from ringbuf.journal.files import DISK, Files
from ringbuf.journal.frame import HEADER_SIZE, FrameHeader, encode_segment_header, padding
from ringbuf.journal.reader import MAX_PAYLOAD, RECORDS, SESSION, JournalReader, SegmentFile
from ringbuf.journal.recovery import Recovered, SessionState, read_segment
from ringbuf.journal.segment_appender import SegmentAppender
from ringbuf.record.schema import Records
from ringbuf.record.session import SessionInfo

DEFAULT_SEGMENT_SIZE: Final = 64 * 1024 * 1024

LOGGER: Final = logging.getLogger("ringbuf.writer")


class JournalAppender:
    """Appends frames to the journal in a directory. Make it with `open`; not safe for threads.

    Attributes:
        directory: where the segments are.
        durable_end: journal offset up to which everything is on the disk; may be read from any thread.
        check_owner: raises `JournalLost` if the directory is no longer this writer's; may be called from any thread.
    """

    def __init__(
        self,
        directory: Path,
        segment_size: int,
        clock: Callable[[], int],
        files: Files,
        check_owner: Callable[[], None],
    ) -> None:
        self.directory = directory
        self.durable_end = 0
        self.check_owner = check_owner
        self._segment_size = segment_size
        self._clock = clock
        self._files = files
        self._sessions: dict[int, SessionState] = {}
        self._unsynced: set[int] = set()
        self._segment: SegmentAppender | None = None  # None if the next append has to begin one
        self._first = 0  # journal offset behind the session frames the segment began with

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        not_below: int = 0,
        segment_size: int = DEFAULT_SEGMENT_SIZE,
        clock: Callable[[], int] = time.time_ns,
        files: Files = DISK,
        check_owner: Callable[[], None] = lambda: None,
    ) -> Self:
        """Open the journal in a directory, made if need be (0700), and recover it.

        Args:
            not_below: nothing is appended below this journal offset, a sink's checkpoint: if the newest segments were
                lost, what comes next must not get offsets the sink believes to have.
            segment_size: a segment of more bytes than this gets no further frame.
            clock: gives the time in ns since the epoch.
            check_owner: raises `JournalLost` if the directory has become somebody else's.

        Raises:
            ConfigurationError: the directory cannot be made or written.
            JournalFull: what is there cannot be synced.
            JournalCorrupt, JournalVersion: the newest segment is none this release can append behind; it is untouched.
        """
        journal = cls(Path(directory), segment_size, clock, files, check_owner)
        try:
            files.make_directory(journal.directory.absolute())
        except OSError as error:
            raise ConfigurationError(f"directory {directory} cannot be made: {error}", "choose another one") from error
        journal._recover()
        journal._skip_to(not_below)
        return journal

    @property
    def sessions(self) -> dict[int, SessionInfo | None]:
        """All sessions the journal knows what to expect of, and what they are; None if their frame was damaged."""
        return {session: state.info for session, state in self._sessions.items()}

    def info(self, session: int) -> SessionInfo | None:
        """What a session is; None if the journal does not know it, or its frame was damaged."""
        state = self._sessions.get(session)
        return None if state is None else state.info

    def next_seq(self, session: int) -> int | None:
        """Seq of the next record to append; None if the session has to be added first. A failed sync lowers it."""
        state = self._sessions.get(session)
        return None if state is None or state.info is None else state.next_seq

    def durable_seq(self, session: int) -> int | None:
        """Seq below which every record is on the disk and may be acknowledged; None as for `next_seq`."""
        state = self._sessions.get(session)
        return None if state is None or state.info is None else state.durable_seq

    def add_session(self, info: SessionInfo, next_seq: int) -> None:
        """Make a session known, or tell what has changed about it.

        Args:
            next_seq: the ring's tail. What the journal already has beyond it counts as appended. If the journal has
                less, the records between are lost, which is logged.

        Raises:
            JournalFull: the disk refuses it; try again later.
            JournalLost: somebody else writes into the journal.
        """
        known = self._sessions.get(info.session)
        expected = next_seq if known is None else max(next_seq, known.next_seq)
        if known is not None:
            if known.next_seq < next_seq:
                lost = f"records {known.next_seq} to {next_seq - 1} of session {info.session:016x} (ring {info.ring!r})"
                LOGGER.error("%s were acknowledged before, but are not in journal %s", lost, self.directory)
            elif known.info == info:
                return
        self._append(SESSION, info, expected, [memoryview(info.encode())])
        durable = expected if known is None else known.durable_seq
        self._sessions[info.session] = SessionState(info, expected, durable)

    def drop_session(self, session: int) -> None:
        """Forget a session whose ring is gone; the segments to come do not mention it."""
        self._sessions.pop(session, None)
        self._unsynced.discard(session)

    def append(self, session: int, first_seq: int, views: Sequence[Records]) -> None:
        """Write consecutive records of one session as one frame; not durable before the next `sync`.

        Args:
            first_seq: seq of the first record, which must be `next_seq(session)`.
            views: the records in the session's schema, at most `MAX_PAYLOAD` bytes in all.

        Raises:
            JournalFull: the disk refuses them; ask `next_seq` again for every session, then try again later.
            JournalLost: somebody else writes into the journal.
            JournalError: the session was not added, the records do not continue it, or have another size.
        """
        state = self._sessions.get(session)
        if state is None or state.info is None:
            raise JournalError(f"session {session:016x} is not known to journal {self.directory}", "add_session first")
        if first_seq != state.next_seq:
            raise JournalError(f"session {session:016x} expects seq {state.next_seq} next, not {first_seq}")
        size = state.info.schema.record_size
        count = sum(len(view) for view in views)
        if any(view.itemsize != size for view in views) or not 0 < count * size <= MAX_PAYLOAD:
            raise JournalError(
                f"{count} records of {[view.itemsize for view in views]} bytes were given for session {session:016x}",
                f"give 1 to {MAX_PAYLOAD // size} records of {size} bytes",
            )
        self._append(RECORDS, state.info, first_seq, [view.view(np.uint8).data for view in views])
        state.next_seq = first_seq + count
        if state.info.ended:
            state.info = replace(state.info, ended=False)

    def sync(self) -> int:
        """Make durable what was appended.

        Returns:
            `durable_end`.

        Raises:
            JournalFull: the disk failed; nothing since the last good sync counts as appended.
            JournalLost: the directory is somebody else's; nothing may be acknowledged.
        """
        if self._segment is not None and self._segment.end > self.durable_end:
            try:
                self._segment.sync()
            except OSError as error:
                self._abandon(self._segment)
                raise self._refusal("synced", error) from error
            self.keep_name()
            self.durable_end = self._segment.end
            for session in self._unsynced:
                self._sessions[session].durable_seq = self._sessions[session].next_seq
            self._unsynced.clear()
        return self.durable_end

    def keep_name(self) -> None:
        """Make sure that the next start will find the segment that is written.

        Raises:
            JournalFull: the disk refuses it; nothing since the last good sync counts as appended.
            JournalLost: the directory is somebody else's.
        """
        self.check_owner()
        segment = self._segment
        if segment is None:
            return
        self._check_size(segment)
        if segment.has_its_name:
            return
        LOGGER.error("journal %s: segment %d lost its name; it is written again", self.directory, segment.base)
        try:
            self._segment = segment.put_back()
        except OSError as error:
            self._abandon(segment)
            raise self._refusal("put back", error) from error
        segment.close()

    def close(self) -> None:
        """Close the file; what was not synced may or may not be there the next time."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _append(self, kind: int, info: SessionInfo, first_seq: int, payload: list[memoryview]) -> None:
        length = sum(part.nbytes for part in payload)
        segment = self._segment_with_room(HEADER_SIZE + length + padding(length))
        self._check_size(segment)  # a frame would cover what was written there, and nobody would know
        try:
            segment.write(self._frame(segment.end, kind, info, first_seq, payload))
        except OSError as error:
            self._cut(segment)
            raise self._refusal("written", error) from error
        self._unsynced.add(info.session)

    def _check_size(self, segment: SegmentAppender) -> None:
        if segment.size != segment.end - segment.base:
            raise JournalLost(f"somebody else writes into segment {segment.base} of {self.directory}", "find out who")

    def _frame(
        self, offset: int, kind: int, info: SessionInfo, first_seq: int, payload: list[memoryview]
    ) -> list[memoryview]:
        length, crc = 0, 0
        for part in payload:
            length, crc = length + part.nbytes, crc32(part, crc)
        schema = info.schema
        count = length // schema.record_size if kind == RECORDS else 0
        identity = (offset, kind, info.session, first_seq, count, schema.record_size, schema.schema_id)
        header = FrameHeader(*identity, length, self._clock(), crc)
        return [memoryview(header.encode()), *payload, memoryview(bytes(padding(length)))]

    def _segment_with_room(self, size: int) -> SegmentAppender:
        """The segment for a frame of `size` bytes; a segment without a frame of its own takes one of any size."""
        segment = self._segment
        if segment is not None and segment.end > self._first and segment.end - segment.base + size > self._segment_size:
            self.sync()
            self.close()
        if self._segment is None:
            self._segment = self._begin_segment()
            self.durable_end = self._first = self._segment.end
        return self._segment

    def _begin_segment(self) -> SegmentAppender:
        base = self.durable_end
        content = [memoryview(encode_segment_header(base, self._clock()))]
        end = base + HEADER_SIZE
        for state in self._sessions.values():
            if state.info is not None:
                frame = self._frame(end, SESSION, state.info, state.next_seq, [memoryview(state.info.encode())])
                content += frame
                end += sum(part.nbytes for part in frame)
        try:
            return SegmentAppender.create(self.directory, base, content, self._files)
        except OSError as error:
            raise self._refusal("continued in a new segment", error) from error

    def _cut(self, segment: SegmentAppender) -> None:
        try:
            segment.cut(segment.end)
        except OSError as error:
            LOGGER.error("journal %s: a frame written in part cannot be cut off: %s", self.directory, error)
            self._abandon(segment)

    def _abandon(self, segment: SegmentAppender) -> None:
        lost = segment.end - self.durable_end
        LOGGER.error("journal %s: %d bytes from %d on must be written again", self.directory, lost, self.durable_end)
        try:
            segment.cut(self.durable_end)
        except OSError as error:
            LOGGER.error("journal %s: what is not durable cannot be cut off: %s", self.directory, error)
        self.close()
        for session in self._unsynced:
            self._sessions[session].next_seq = self._sessions[session].durable_seq
        self._unsynced.clear()

    def _refusal(self, done: str, error: OSError) -> JournalFull:
        return JournalFull(
            f"journal {self.directory} cannot be {done} behind offset {self.durable_end}: {error}",
            "free space on its disk, or mend it; writing goes on by itself",
        )

    def _recover(self) -> None:
        limit = None
        for segment in reversed(JournalReader(self.directory).segments()):
            found = read_segment(self.directory, segment, limit)
            if limit is None:
                self._reopen(segment, found)
            if found.sessions:
                self._sessions = found.sessions
                break
            limit = segment.base

    def _reopen(self, file: SegmentFile, found: Recovered) -> None:
        self.durable_end = found.end
        if found.end == file.base:
            LOGGER.warning("segment %s has %d bytes and nothing intact: it is written anew", file.path, file.size)
            return
        try:
            segment = SegmentAppender.reopen(file.path, file.base, found.end, self._files)
        except OSError as error:
            raise ConfigurationError(f"segment {file.path} cannot be written: {error}", "check its owner") from error
        try:
            if found.tail is not None:
                torn = found.tail.end - found.end
                LOGGER.warning("segment %s: %d bytes from %d on are torn and cut off", file.path, torn, found.end)
                segment.cut(found.end)
            segment.sync()
            self._files.sync_directory(self.directory)
        except OSError as error:
            segment.close()
            raise self._refusal("recovered", error) from error
        self._segment, self._first = segment, file.base + HEADER_SIZE
        if not found.is_header_intact:
            self.close()

    def _skip_to(self, offset: int) -> None:
        if offset > self.durable_end:
            ends = f"journal {self.directory} ends at {self.durable_end}"
            LOGGER.error("%s, but a sink has everything below %d: segments are missing", ends, offset)
            self.close()
            self.durable_end = offset + padding(offset)
