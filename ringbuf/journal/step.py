"""The steps at which the writer makes something durable, gives something away, or forgets something.

Between any two of them the process may die. `watch` lets a test stop it exactly there.
"""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What has just been done."""

    FRAMES_WRITTEN = "frames written, not synced"
    JOURNAL_SYNCED = "journal synced, nothing acknowledged"
    RING_ACKNOWLEDGED = "one ring acknowledged"
    SEGMENT_WRITTEN = "new segment written under its temporary name"
    SEGMENT_NAMED = "new segment has its name"
    STATE_WRITTEN = "checkpoint or intent written under its temporary name"
    STATE_NAMED = "checkpoint or intent has its name"
    BATCH_INTENDED = "intent durable, nothing sent"
    TABLE_ENSURED = "table created or altered"
    INSERT_SENT = "insert acknowledged by the database"
    BATCH_SENT = "all inserts of a batch acknowledged"
    BATCH_VERIFIED = "database asked, checkpoint not moved"
    CHECKPOINT_MOVED = "checkpoint moved"
    SESSIONS_STORED = "sessions stored"
    RECORD_QUARANTINED = "a refused record is in quarantine"
    SCHEMA_FELL_BEHIND = "a schema that fell behind has a place of its own"
    STRAGGLER_INTENDED = "intent of a straggler durable, nothing sent"
    STRAGGLER_MOVED = "the place of a straggler has moved"
    SCHEMA_RETURNED = "a schema that has caught up is loaded with the others again"
    FILLS_DERIVED = "rows of fills inserted, their buckets not marked"
    BUCKETS_MARKED = "buckets of derived fills marked as open, rows of orders not inserted"
    LATE_NOTED = "reports about orders of which records are gone listed as late, nothing noted as derived"
    ROWS_DERIVED = "rows of orders and fills derived from records that were acknowledged"
    DERIVED_NOTED = "what is derived noted in the database, the checkpoint perhaps not moved"
    SUMS_WRITTEN = "buckets summed, not closed"
    SUMS_CLOSED = "buckets closed"
    ORDERS_COPIED = "open orders copied, the copy not marked as complete"
    TOTALS_WRITTEN = "totals of positions at the end of buckets written, the latest ones not"
    TOTALS_REMOVED = "totals of positions that a late fill made stale removed, not folded again"
    VERIFIED_NOTED = "records that the database has, or that a TTL took, noted; nothing deleted yet"
    DROPPING_NOTED = "records of executions that are about to be dropped noted in the database"
    RECORDS_DROPPED = "records older than the writer is to keep dropped from a table"
    SEGMENT_REMOVED = "a loaded segment is removed"


watch: Callable[[Step], None] | None = None
"""Called at every step if set."""


def reached(step: Step) -> None:
    """Say that a step is done."""
    if watch is not None:
        watch(step)
