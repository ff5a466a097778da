"""The tables that are known to be as they should be."""

import logging
import threading
from collections import defaultdict
from typing import Final

from ringbuf.journal.step import Step, reached
from ringbuf.record.schema import Schema
from ringbuf.sinks.sink import Sink

LOGGER: Final = logging.getLogger("ringbuf.writer")


class Tables:
    """What is known of the tables of a sink; all its connections share it."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._sound: dict[int, Schema] = {}

    @property
    def sound(self) -> list[Schema]:
        """The schemas whose tables were as they should be when they were used last."""
        return list(self._sound.values())

    def ensure(self, sink: Sink, schema: Schema) -> None:
        """Make sure of a table at its first use, and again after it was doubted.

        Raises:
            TableMismatch: there is something else of that name.
            SinkUnavailable: the database cannot be reached, or does not allow it.
        """
        if schema.schema_id not in self._sound:
            self.check(sink, schema)
            reached(Step.TABLE_ENSURED)

    def check(self, sink: Sink, schema: Schema) -> None:
        """Make sure of a table once more: no insert fails for want of a column that is computed.

        Raises:
            TableMismatch, SinkUnavailable: as in `ensure`.
        """
        with self._locks[schema.name]:  # not both of two inserts make it; and no table has to wait for another
            self.doubt(schema)
            if sink.ensure(schema):
                LOGGER.warning("table %s was created or altered", schema.name)
        self._sound[schema.schema_id] = schema

    def doubt(self, schema: Schema) -> None:
        """A call that needed this table failed: perhaps it is gone or was altered."""
        self._sound.pop(schema.schema_id, None)
