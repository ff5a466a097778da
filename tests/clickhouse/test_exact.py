"""The column `exact`: the database finds in it the numbers that Python finds."""

import numpy as np

from ringbuf.record.execution import EXECUTION
from ringbuf.record.fields import Kind, names
from ringbuf.record.number import exact_number, exact_part, pack
from ringbuf.record.value import blank
from tests.clickhouse.databases import Database

TOKENS = "-1234567.123456789012345678"
TEXTS = [
    b"",
    *(pack({name: TOKENS})[0] for name in names(Kind.NUMBER)),
    pack(dict.fromkeys(names(Kind.NUMBER), TOKENS))[0],
    *(b"q=7;q=8", b"qq=7", b"q=7;", b"q=", b"q=1e5", b"q=+1", b"q=.5", b"q=5.", b"q= 1", b"q=1 ", b"q=1.2.3", b"Q=7"),
    *(b"\xff;q=7", b"q=7\n", b"q=7\n;", "q=\u0663".encode(), b"x;q=7"),
]


def test_the_database_finds_the_numbers_that_python_finds(store: Database) -> None:
    store.set_up()
    records = np.repeat(blank(EXECUTION), len(TEXTS))
    records["session"], records["seq"], records["exact"] = 1, np.arange(len(TEXTS)), TEXTS
    store.insert(records)
    for name in names(Kind.NUMBER):
        rows = store.rows(f"SELECT extract(exact, '{exact_part(name)}') FROM {store.name()}.executions ORDER BY seq")
        found = [exact_number(record, name) for record in records]
        assert [text for (text,) in rows] == ["" if number is None else f"{number:f}" for number in found], name
