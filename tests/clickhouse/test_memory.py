"""Records that a deriver has in memory are what it would read from the database."""

import math
import random
from typing import Any

import numpy as np

from ringbuf.record.execution import EXECUTION
from ringbuf.record.seqs import Range
from ringbuf.writer.derive.memory import rows_of
from tests.clickhouse.databases import Database, Records

NUMBERS = (0.0, -0.0, 0.1 + 0.2, -1e-300, 5e-324, 1e308, math.inf, -math.inf, math.nan, 1e21, 123456789012345678.0)
TEXTS = ("", "a", "žluť", "\ud7ff", "x" * 300, "a\tb\\n\"'", "0")


def odd_records(count: int) -> Records:
    """Records with any number, word, time and text."""
    draw = random.Random(5)
    records = np.zeros(count, EXECUTION.dtype)
    for name in EXECUTION.names:
        field = EXECUTION.dtype[name]
        for record in records:
            record[name] = odd_value(draw, field)
    records["session"], records["seq"] = 7, np.arange(count)
    return records


def odd_value(draw: random.Random, field: "np.dtype[Any]") -> Any:
    match field.kind:
        case "f":
            return draw.choice(NUMBERS)
        case "S":
            return draw.choice(TEXTS).encode()[: field.itemsize].decode(errors="ignore").encode()
        case "i":
            return draw.choice((0, 1, -1, draw.randrange(-(1 << 63), 1 << 63)))
        case _:
            return draw.choice((0, 1, draw.randrange(1 << 8 * field.itemsize)))


def test_any_record_in_memory_is_what_the_database_gives(views: Database) -> None:
    records = odd_records(300)
    views.insert(records, few=None)
    remembered = rows_of([memoryview(records.tobytes())])
    for row in views.read(Range(7, 0, 300)):
        assert repr({**remembered[7, row["seq"]]}) == repr(row)
    assert len(remembered) == 300
