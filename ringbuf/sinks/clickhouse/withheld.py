"""Why records are not there that a table has taken: by its own definition, and not because something went wrong.

A table's TTL deletes records that have expired, as soon as they are inserted if they are old. A row policy hides
records from a user who has stored them. Whether one of them is at work is not guessed from what is missing: its
condition is evaluated by the database, for exactly these records.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.exceptions import ClickHouseError

from ringbuf.record.rows import Records, rows
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.failure import code_of
from ringbuf.sinks.clickhouse.presence import Ask
from ringbuf.sinks.clickhouse.table import column_type, literal, quoted, table_name
from ringbuf.sinks.sink import Withheld

AT_ONCE: Final = 1_000
"""Records that are written into one statement."""
KEPT_ELSEWHERE: Final = re.compile(r" (TO (DISK|VOLUME) |RECOMPRESS |GROUP BY )")
"""What a TTL does that deletes nothing, or nothing that can be told record by record."""
_ROW_FILTER: Final = "Row level filter column:"
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`")


def withheld(ask: Ask, database: str, schema: Schema, body: Sequence[memoryview]) -> Withheld:
    """Which of these records have expired by their table's TTL, and which a row policy hides from this user.

    Args:
        ask: runs a question and returns its rows.
        body: the bytes of the records.
    """
    records = np.frombuffer(b"".join(body), schema.dtype)
    where = f"database = {literal(database)} AND name = {literal(schema.name)}"
    found = _told(ask, f"SELECT engine_full FROM system.tables WHERE {where}")
    ttl = ttl_of(str(found[0][0])) if found else ""
    expiring = expiring_conditions(ttl)
    plan = _told(ask, f"SELECT * FROM (EXPLAIN actions = 1 SELECT seq FROM {table_name(schema, database)})")
    lines = (str(line).strip() for (line,) in plan)
    policies = [line.removeprefix(_ROW_FILTER).strip() for line in lines if line.startswith(_ROW_FILTER)]
    return Withheld(
        SeqSet(each for condition in expiring for each in _meeting(ask, schema, records, condition)),
        SeqSet(each for condition in policies for each in _meeting(ask, schema, records, f"NOT ({condition})")),
        ttl if expiring else "",
        " and ".join(policies),
    )


def ttl_of(engine: str) -> str:
    """The TTL of a table, "" if it has none, from what `system.tables.engine_full` says of it."""
    found = re.search(r" TTL (.*?)(?= SETTINGS |$)", _outside(engine))
    return engine[slice(*found.span(1))] if found else ""


def expiring_conditions(ttl: str) -> list[str]:
    """When a TTL deletes a record, as conditions on the table's columns: one for each of its rules that does so."""
    conditions = []
    outside = _outside(ttl)
    for begin, end in _divided(outside, 0, len(ttl)) if ttl else ():
        if KEPT_ELSEWHERE.search(outside, begin, end):
            continue
        where = re.compile(r"( DELETE)? WHERE ").search(outside, begin, end)
        only = f" AND ({ttl[where.end() : end].strip()})" if where else ""
        time = ttl[begin : where.start() if where else end].strip().removesuffix(" DELETE")
        conditions.append(f"toDateTime({time}) <= now() AND toUnixTimestamp(toDateTime({time})) != 0{only}")
    return conditions


def _outside(text: str) -> str:
    """A text of the same length with nothing in it that is quoted or in brackets."""
    text = _QUOTED.sub(lambda found: "_" * len(found[0]), text)
    depth, kept = 0, []
    for each in text:
        depth -= each in ")]"
        kept.append(each if depth == 0 else "_")
        depth += each in "(["
    return "".join(kept)


def _divided(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The bounds of what commas divide."""
    for comma in re.compile(",").finditer(text, begin, end):
        yield begin, comma.start()
        begin = comma.end()
    yield begin, end


def _meeting(ask: Ask, schema: Schema, records: Records, condition: str) -> Iterator[Range]:
    """The records for which a condition on the table's columns holds."""
    named = [name for name in schema.names if re.search(rf"\b{re.escape(name)}\b", condition)]
    names = list(dict.fromkeys(["session", "seq", *named]))
    for begin in range(0, len(records), AT_ONCE):
        for session, seq in _told(ask, _question(schema, records[begin : begin + AT_ONCE], names, condition)):
            yield Range(int(session), int(seq), 1)


def _told(ask: Ask, question: str) -> list[list[Any]]:
    """The rows of a question; none if the database does not understand it.

    A condition may be about a column that only the table has, and each version has its notation: then nothing is known.
    """
    try:
        return ask(question)
    except ClickHouseError as error:
        if code_of(error) is None:
            raise
        return []


def _question(schema: Schema, records: Records, names: Sequence[str], condition: str) -> str:
    written = [_written(schema, name) for name in names]
    values = (
        ", ".join(write(row[name]) for name, (write, _, _) in zip(names, written, strict=True))
        for row in rows(schema, records, names)
    )
    types = ", ".join(type_ for _, type_, _ in written)
    columns = ", ".join(
        f"{read.format(f'record.{number}')} AS {quoted(name)}"
        for number, (name, (_, _, read)) in enumerate(zip(names, written, strict=True), 1)
    )
    listed = ", ".join(f"({each})" for each in values)
    return f"""
        SELECT session, seq FROM (
            SELECT {columns} FROM (SELECT arrayJoin(CAST([{listed}], 'Array(Tuple({types}))')) AS record)
        ) WHERE {condition}"""


def _written(schema: Schema, name: str) -> tuple[Callable[[Any], str], str, str]:
    """How a value of a field is written into a statement, as what type, and how it is made one of its column."""
    if name in schema.words or schema.fields[name][0].kind == "S":
        return literal, "String", "{}"
    match schema.fields[name][0].kind:
        case "V":
            return literal, "String", f"toFixedString(unhex({{}}), {schema.fields[name][0].itemsize})"
        case "f":
            return lambda value: "nan" if value is None else str(value), column_type(schema, name), "{}"
        case "b":
            return lambda value: str(int(value)), "UInt8", "({} != 0)"
    if schema.is_time(name):
        return str, "Int64", "fromUnixTimestamp64Nano({}, 'UTC')"
    return str, column_type(schema, name), "{}"
