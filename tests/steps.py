"""The steps of a writer that belong together: who kills one at each step leaves out those that never come there."""

from ringbuf.journal.step import Step

OF_STRAGGLERS = {Step.SCHEMA_FELL_BEHIND, Step.STRAGGLER_INTENDED, Step.STRAGGLER_MOVED, Step.SCHEMA_RETURNED}
OF_DERIVING = {
    Step.FILLS_DERIVED,
    Step.BUCKETS_MARKED,
    Step.LATE_NOTED,
    Step.ROWS_DERIVED,
    Step.DERIVED_NOTED,
    Step.SUMS_WRITTEN,
    Step.SUMS_CLOSED,
    Step.ORDERS_COPIED,
    Step.TOTALS_WRITTEN,
    Step.TOTALS_REMOVED,
}
OF_DROPPING = {Step.DROPPING_NOTED, Step.RECORDS_DROPPED}
