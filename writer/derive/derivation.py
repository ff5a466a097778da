"""The derivation: a thread that keeps the rows of orders and fills, and their sums, up to what is stored.

It is told of records when they are acknowledged. It never holds up the drain, and the loader only for a moment: a
database that refuses rows of orders still gets every record. What is not derived when a writer ends is found again from
the database, by the next writer that starts.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ringbuf.errors import RingbufError
from ringbuf.journal.step import Step, reached
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse import open_orders
from ringbuf.sinks.clickhouse.keys import RecordId
from ringbuf.sinks.clickhouse.open_orders import MARGIN_NS, OpenOrders
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.sinks.clickhouse.sums import Sums
from ringbuf.sinks.clickhouse.unique_rows import UniqueRows
from ringbuf.writer.derive.deriver import FEW, MANY, MOST_RANGES, Deriver
from ringbuf.writer.derive.folding import Folding
from ringbuf.writer.derive.memory import REMEMBERED, Row, rows_of
from ringbuf.writer.load.retry import pauses
from ringbuf.writer.problems import Problems

LOGGER: Final = logging.getLogger("ringbuf.writer")
SETTLE_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 10.0
"""How often buckets of sums are closed, if any are over, and how often lost tables are looked for."""
FIND_SECONDS: Final = 600.0
"""How often is looked for what other writers have left."""
GIVES_WAY_SECONDS: Final = 30.0
"""While a backlog is stored, so long passes between portions of what is left, and between those that are folded."""
LEFT_AT_ONCE: Final = 50_000
"""So many records are derived at once that earlier writers left; what comes meanwhile waits so long."""
LATE_SECONDS: Final = MARGIN_NS / 2e9
"""Rows that come later after their version than this may lack in the copies of open orders, which are made anew."""
FOLD_AFTER: Final = 1_000
"""So many records are derived before their fills are folded, unless no others come."""
FOLD_SECONDS: Final = 60.0
"""How often is looked for what is to be folded, if no records come: another contract, what other writers derived."""
NOTE_SECONDS: Final = 10.0
"""How often is noted in the database what is derived, if it is little: after a kill it is derived again."""
MOST_UNNOTED: Final = 200
"""So many records at most are derived and not noted, but those of the last portion; below `MOST_PENDING` ranges."""
REQUEST_SECONDS: Final = 1.0
"""How often is looked whether everything is to be derived again."""


class Derivation:
    """Derives records that were stored.

    Attributes:
        error: what it fails with at the moment, None if it does not.
        late: how many reports came too late for their orders, when it looked last.

    Args:
        connect: makes a sink of its own that is not yet connected.
        request: a file; while it is there, everything is to be derived again.
    """

    def __init__(self, connect: Callable[[], ClickHouseSink], request: Path, problems: Problems) -> None:
        self.error: str | None = None
        self.late = 0
        self._connect = connect
        self._request = request
        self._problems = problems
        self._lock = threading.Condition()
        self._waiting = SeqSet()
        self._rows: dict[RecordId, Row] = {}  # of what waits, as far as there are few
        self._left = SeqSet()  # of a backlog, by earlier writers, or by a try that failed; what comes now goes first
        self._gives_way = False
        self._left_at = 0.0
        self._is_again = False
        self._at_work = SeqSet()
        self._is_ending = False
        self._abandoned = threading.Event()
        self._close_at = self._note_at = self._find_at = self._fold_at = 0.0
        self._folded_at = -math.inf
        self._unfolded = 0
        self._thread = threading.Thread(target=self._run, name="derivation", daemon=True)

    @property
    def behind(self) -> int:
        """How many records are known to be stored and not derived."""
        return self._waiting.count + self._left.count + self._at_work.count

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self._thread.ident is None:
            self._thread.start()

    def note(self, records: SeqSet, body: Sequence[memoryview] = ()) -> None:
        """Take note of records of EXECUTION that were stored.

        Args:
            body: their bytes, if all of them were: then few need not be read from the database.
        """
        rows = rows_of(body) if records.count <= FEW and len(self._rows) < REMEMBERED else {}
        with self._lock:
            if self._gives_way:
                self._left |= records
            else:
                self._waiting |= records
                self._rows |= rows
            self._lock.notify_all()

    def give_way(self, *, to_backlog: bool) -> None:
        """Let a backlog be stored first, or no longer; what is noted meanwhile is derived after what comes later."""
        with self._lock:
            if to_backlog and not self._gives_way:
                self._left_at = time.monotonic() + GIVES_WAY_SECONDS
            self._gives_way = to_backlog
            self._lock.notify_all()

    def settle(self) -> None:
        """Wait until all that was noted is derived; not for long, and not if it cannot be."""
        with self._lock:
            self._lock.wait_for(lambda: not (self._waiting or self._at_work) or bool(self.error), SETTLE_SECONDS)

    def finish(self, patient_until: float, until: float) -> bool:
        """Have it derive what was noted and end; whether it has ended.

        Args:
            patient_until: when it gives up what is left, on the monotonic clock.
            until: how long it is waited for after that.
        """
        with self._lock:
            self._is_ending = True
            self._lock.notify_all()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, patient_until - time.monotonic()))
            self._abandoned.set()
            self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    # The thread

    def _run(self) -> None:
        waits = pauses()
        while not self._abandoned.is_set():
            sink = self._connect()
            try:
                self._work(sink)
                return
            except RingbufError as error:
                self._problems.report(error)
                self._fail(str(error))
            except Exception as error:
                LOGGER.exception("deriving orders and fills failed; it is tried again")
                self._fail(f"{type(error).__name__}: {error}")
            finally:
                sink.close()
            if self._is_ending:
                return
            self._abandoned.wait(next(waits))

    def _fail(self, error: str) -> None:
        """Put what was not derived back."""
        with self._lock:
            self.error = f"deriving orders and fills: {error}"
            self._left |= self._at_work
            self._at_work = SeqSet()
            self._lock.notify_all()

    def _work(self, sink: ClickHouseSink) -> None:
        """Derive until it ends or something fails."""
        sink.layers.ensure()
        self._make_again(sink)
        self._find_left(sink)
        rows = sink.unique
        deriver, folding = Deriver(rows, sink.sums), Folding(sink.profit)
        while not self._abandoned.is_set():
            if self._begins_again(sink, rows, deriver):
                rows = sink.unique
                deriver, folding = Deriver(rows, sink.sums), Folding(sink.profit)
            self._fold(folding)
            records = self._next()
            if records:
                deriver.remember(self._taken_rows())
                late_at = time.monotonic() + LATE_SECONDS
                deriver.derive(records, again=self._is_again)
                if time.monotonic() > late_at:
                    _copy_open_orders(sink.layers.open_orders, rows.version(), whole=True)
                reached(Step.ROWS_DERIVED)
                self._fold_soon(records.count)
                self._done()
            if deriver.unnoted > MOST_UNNOTED or self._is_ending or time.monotonic() >= self._note_at:
                deriver.note()
                self._note_at = time.monotonic() + NOTE_SECONDS
            if not records and self._is_ending:
                return

    def _find_left(self, sink: ClickHouseSink) -> None:
        self._find_at = time.monotonic() + FIND_SECONDS
        left = sink.unique.pending()
        with self._lock:
            self._left |= left

    def _make_again(self, sink: ClickHouseSink) -> list[str]:
        """Have made again what was in tables that are lost or changed; returns which they are."""
        lost = sink.layers.make_again()
        if {*open_orders.TABLES} & {*lost}:
            _copy_open_orders(sink.layers.open_orders, sink.unique.version(), whole=True)
        return lost

    def _begins_again(self, sink: ClickHouseSink, rows: UniqueRows, deriver: Deriver) -> bool:
        """Whether nothing that the deriver knows counts any more, since all is to be derived again: it is asked for,
        rows were removed or changed, or another writer has noticed that. Closes buckets now and then."""
        if self._request.exists():
            LOGGER.info("making all orders, fills and sums again")
            sink.layers.forget()
            self._find_left(sink)
            self._request.unlink(missing_ok=True)
            return True
        if time.monotonic() < self._close_at or self._is_ending:
            return False
        self._close_at = time.monotonic() + CLOSE_SECONDS
        if time.monotonic() >= self._find_at:
            self._find_left(sink)  # of writers that ended meanwhile
        if lost := self._make_again(sink):
            LOGGER.warning("rows of tables %s were removed or changed; they are made again", ", ".join(lost))
            self._find_left(sink)
        if sink.layers.open_orders.is_due():
            _copy_open_orders(sink.layers.open_orders, rows.version())
        self._close_buckets(sink.sums)
        self.late = rows.dropped.count_late()
        return bool(lost) or deriver.is_overtaken()

    def _close_buckets(self, sums: Sums) -> None:
        """Close what is over; but records that are stored go first."""
        while (over := sums.due()) is not None:
            sums.sum_up(over)
            reached(Step.SUMS_WRITTEN)
            sums.close(over)
            reached(Step.SUMS_CLOSED)
            if self._waiting or self._is_ending:
                self._close_at = 0.0  # go on with it after them
                return

    def _fold_soon(self, count: int) -> None:
        """Have the fills of records folded that were derived."""
        self._unfolded += count
        seconds = 0.0 if self._unfolded >= FOLD_AFTER else CLOSE_SECONDS
        self._fold_at = min(self._fold_at, time.monotonic() + seconds)

    def _folds_at(self) -> float:
        """When fills are folded next; what is to be derived goes first."""
        gives_way = self._left or (self._waiting and self._unfolded < FOLD_AFTER)
        return max(self._fold_at, self._folded_at + GIVES_WAY_SECONDS) if gives_way else self._fold_at

    def _fold(self, folding: Folding) -> None:
        """Fold fills if it is time; deriving goes on if this fails."""
        if self._is_ending or time.monotonic() < self._folds_at():
            return
        self._unfolded, is_more = 0, False
        try:
            is_more = folding.fold()
        except RingbufError as error:
            self._problems.report(error)
        except Exception:
            LOGGER.exception("folding fills failed; it is tried again")
        self._folded_at = time.monotonic()
        self._fold_at = self._folded_at + (0.0 if is_more else FOLD_SECONDS)

    def _next(self) -> SeqSet:
        """The records to be derived next, the earliest of each session; none if none came for a while."""
        with self._lock:
            self.error = None
            self._lock.wait_for(
                lambda: self._has_turn() or self._is_ending or self._abandoned.is_set(),
                min(REQUEST_SECONDS, max(0.0, self._folds_at() - time.monotonic())),
            )
            if self._abandoned.is_set() or not (self._has_turn() or self._is_ending):
                return SeqSet()
            taken = _first(self._waiting, MANY) if self._waiting else _first(self._left, LEFT_AT_ONCE)
            if not self._waiting:
                self._left_at = time.monotonic() + GIVES_WAY_SECONDS
            self._is_again = bool(taken & self._left)  # also if the loader has sent again what a killed writer had
            self._at_work = taken
            self._waiting -= self._at_work
            self._left -= self._at_work
            return self._at_work

    def _has_turn(self) -> bool:
        """Whether something is to be derived now."""
        may_wait = self._gives_way and time.monotonic() < self._left_at
        return bool(self._waiting) or (bool(self._left) and not may_wait)

    def _taken_rows(self) -> dict[RecordId, Row]:
        with self._lock:
            rows, self._rows = self._rows, {}
            return rows

    def _done(self) -> None:
        with self._lock:
            self._at_work = SeqSet()
            self._lock.notify_all()


def _copy_open_orders(orders: OpenOrders, version: int, *, whole: bool = False) -> None:
    orders.copy(version, whole=whole)
    reached(Step.ORDERS_COPIED)
    orders.complete(version)


def _first(records: SeqSet, count: int) -> SeqSet:
    """Some of these records, as many at most."""
    taken: list[Range] = []
    for each in records.ranges:
        part = Range.between(each.session, each.first_seq, min(each.end, each.first_seq + count))
        taken.append(part)
        count -= part.count
        if not count or len(taken) == MOST_RANGES:
            break
    return SeqSet(taken)
