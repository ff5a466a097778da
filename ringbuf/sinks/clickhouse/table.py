"""From a schema to its table: SQL text, and what must be altered where an older table is there already.

The bytes of a record are the RowBinary row, so an insert names one column per field and per gap of the dtype, in the
order of the record. A header with their names and types goes first: if the table was altered meanwhile, the server
refuses the insert instead of taking the bytes for something else. What RowBinary has as it is goes straight into the
column of the field:

    u i f  number of the same width    (a float that is not given is NaN)
    V      FixedString
    i8 whose name ends in _ns          DateTime64(9, 'UTC')

The rest arrives in an EPHEMERAL column `_FIELD_raw`, which is not stored and from which the column has its DEFAULT:

    S      text: without its trailing NULs; if it is no UTF-8, `invalid_utf8:` and its bytes in hex
    u1 with words                      the word; `invalid_200` for a value that has none
    b1     Bool: false if 0

Gaps are EPHEMERAL too (`_gap_OFFSET_SIZE`). No name of a field begins with `_`, so nothing collides. The column of an
enumeration carries its words as JSON in its comment, and a text is LowCardinality unless it looks like one that seldom
repeats: its name ends in `_id` or is `text`, or it is wider than 64 bytes.

The table is a ReplacingMergeTree ordered by the identity of a record: a copy of a record is harmless to whoever reads
with FINAL.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from ringbuf.errors import InvalidName, TableMismatch
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.sinks.clickhouse import row_binary
from ringbuf.sinks.clickhouse.definition import BY_INSTRUMENT, BY_SESSION, Definition

SORTING_KEY: Final = "session, seq"
DEDUPLICATION_WINDOW: Final = 10_000
"""Inserts whose tokens the server remembers."""

DATABASE_ENGINES: Final = ("Atomic", "Ordinary", "Overlay", "Replicated", "Shared")
"""Engines of databases that keep tables of ours."""

DISTRIBUTED: Final = "Distributed"
"""The engine of a table over those of a cluster's shards."""

SESSIONS: Final = "sessions"
SESSION_COLUMNS: Final = {
    "session": "UInt64",
    "namespace": "SimpleAggregateFunction(anyLast, String)",
    "host": "SimpleAggregateFunction(anyLast, String)",
    "ring": "SimpleAggregateFunction(anyLast, String)",
    "pid": "SimpleAggregateFunction(anyLast, UInt64)",
    "schema": "SimpleAggregateFunction(anyLast, String)",
    "schema_version": "SimpleAggregateFunction(max, UInt32)",
    "created_ns": "SimpleAggregateFunction(min, DateTime64(9, 'UTC'))",
    "first_seen_ns": "SimpleAggregateFunction(min, DateTime64(9, 'UTC'))",
    "last_seen_ns": "SimpleAggregateFunction(max, DateTime64(9, 'UTC'))",
}
"""Columns of the table `sessions`: every insert of a session adds to what is known of it; read it with FINAL."""

_NUMBERS = {
    **{f"u{size}": f"UInt{8 * size}" for size in (1, 2, 4, 8)},
    **{f"i{size}": f"Int{8 * size}" for size in (1, 2, 4, 8)},
    **{f"f{size}": f"Float{8 * size}" for size in (4, 8)},
}
TIME: Final = "DateTime64(9, 'UTC')"
_WORD = "LowCardinality(String)"
_NARROW = 64
_MAX_NAME = 200
_OF_THE_SERVER = ("system", "information_schema", "INFORMATION_SCHEMA", "_temporary_and_external_tables")


@dataclass(frozen=True)
class FoundColumn:
    """A column as `system.columns` shows it."""

    type: str
    default_kind: str
    default_expression: str
    comment: str


@dataclass(frozen=True)
class FoundTable:
    """A table as `system.tables` and `system.columns` show it.

    Attributes:
        engine_full: the engine with all that stands behind it.
    """

    engine: str
    sorting_key: str
    columns: Mapping[str, FoundColumn]
    engine_full: str = ""


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    kind: str = ""
    expression: str = ""
    source: str = ""
    codec: str = ""
    index: str = ""
    words: Mapping[int, str] | None = None

    @property
    def comment(self) -> str:
        return _described(self.words) if self.words is not None else ""

    def __str__(self) -> str:
        parts = [quoted(self.name), self.type, self.kind, self.expression]
        if self.comment:
            parts.append(f"COMMENT {literal(self.comment)}")
        if self.codec:
            parts.append(f"CODEC({self.codec})")
        return " ".join(part for part in parts if part)


def quoted(identifier: str) -> str:
    """An identifier for SQL, in backticks.

    Raises:
        InvalidName: empty, longer than 200 bytes, or with control characters or lone surrogates.
    """
    size = len(identifier.encode(errors="surrogatepass"))
    if not 0 < size <= _MAX_NAME or not identifier.isprintable():
        raise InvalidName(f"{identifier!r} cannot be a database or table", "use letters, digits and _ as its name")
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def check_database(name: str) -> None:
    """Make sure that a database can be called so, and is none of the server's own.

    Raises:
        InvalidName: it is not.
    """
    quoted(name)
    if name in _OF_THE_SERVER:
        raise InvalidName(f"the database {name!r} belongs to ClickHouse itself", "give another, for example ringbuf")


def literal(text: str) -> str:
    """A text for SQL, in single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def table_name(schema: Schema, database: str) -> str:
    """Quoted name of the schema's table."""
    return f"{quoted(database)}.{quoted(schema.name)}"


def insert_into(schema: Schema, database: str) -> str:
    """Statement of an insert up to its columns: those of which the bytes of a record are the RowBinary row."""
    names = ", ".join(quoted(group[0].name) for group in _columns(schema))
    return f"INSERT INTO {table_name(schema, database)} ({names})"


def header(schema: Schema) -> bytes:
    """What stands before the records in the format RowBinaryWithNamesAndTypes."""
    named = [group[0] for group in _columns(schema)]
    return row_binary.header({column.name: column.type for column in named})


def column_type(schema: Schema, name: str) -> str:
    """The type of the column of a field, as who reads it has it."""
    dtype = schema.dtype[name]
    if name in schema.words:
        return _WORD
    if dtype.kind == "S":
        is_narrow = dtype.itemsize <= _NARROW and not name.endswith("_id") and name != "text"
        return _WORD if is_narrow else "String"
    if dtype.kind == "b":
        return "Bool"
    return TIME if schema.is_time(name) else _NUMBERS.get(dtype.str[1:], f"FixedString({dtype.itemsize})")


def of_records(schema: Schema) -> Definition:
    """The schema's table."""
    described = [column for group in _columns(schema) for column in group]
    lines = [str(column) for column in described] + [_index(column) for column in described if column.index]
    shard_by = BY_INSTRUMENT if schema.name == EXECUTION.name else BY_SESSION
    return Definition(lines, "ReplacingMergeTree", SORTING_KEY, shard_by, DEDUPLICATION_WINDOW)


def of_sessions() -> Definition:
    """The table `sessions`."""
    described = [f"{quoted(name)} {type_}" for name, type_ in SESSION_COLUMNS.items()]
    return Definition(described, "AggregatingMergeTree", "session", BY_SESSION, 0)


def alterations(schema: Schema, database: str, found: FoundTable) -> str:
    """What is to be altered to bring an existing table up to the schema; empty if it has everything already.

    A table may have more than the schema: the columns and words of later versions.

    Raises:
        TableMismatch: it has another engine or sorting key, or a column of another shape.
    """
    name = f"{database}.{schema.name}"
    check_engine(name, found, "ReplacingMergeTree", SORTING_KEY)
    changes: list[str] = []
    for group in _columns(schema):
        for column in group:
            existing = found.columns.get(column.name)
            if existing is None:
                changes.append(f"ADD COLUMN IF NOT EXISTS {column}")
                if column.index:
                    changes.append(f"ADD {_index(column, 'IF NOT EXISTS ')}")
            else:
                changes += _alter_column(name, column, existing)
    return ", ".join(changes)


def check_sessions(database: str, found: FoundTable) -> None:
    """Check an existing table `sessions`.

    Raises:
        TableMismatch: it has another engine, sorting key, or a column less or of another type.
    """
    name = f"{database}.{SESSIONS}"
    check_engine(name, found, "AggregatingMergeTree", "session")
    for column, expected in SESSION_COLUMNS.items():
        existing = found.columns.get(column)
        if existing is None or existing.type != expected:
            raise _mismatch(name, f"column {column} is {existing.type if existing else 'missing'}", expected)


def check_engine(name: str, found: FoundTable, engine: str, sorting_key: str) -> None:
    """Check engine and sorting key of an existing table; its replicated kin will do.

    Raises:
        TableMismatch: they are others.
    """
    if found.engine == DISTRIBUTED != engine:
        raise TableMismatch(
            f"table {name} is spread over a cluster", "name the cluster with --cluster, or choose another database"
        )
    if found.engine.removeprefix("Replicated").removeprefix("Shared") != engine:
        raise _mismatch(name, f"engine is {found.engine}", engine)
    if found.sorting_key != sorting_key:
        raise _mismatch(name, f"sorting key is ({found.sorting_key})", f"({sorting_key})")


def _mismatch(
    table: str, found: str, expected: str, otherwise: str = "choose another database or name of the schema"
) -> TableMismatch:
    return TableMismatch(
        f"table {table}: {found}, expected {expected}",
        f"{otherwise}, or move the table away: RENAME TABLE {table} TO {table}_old",
    )


def _columns(schema: Schema) -> Iterator[list[_Column]]:
    """For each field and gap what the insert names, and behind it what is computed from that."""
    end = 0
    for name in schema.names:
        dtype, offset = schema.fields[name]
        if offset > end:
            yield [_gap(end, offset - end)]
        yield _field(schema, name, dtype)
        end = offset + dtype.itemsize
    if schema.record_size > end:
        yield [_gap(end, schema.record_size - end)]


def _gap(offset: int, size: int) -> _Column:
    return _Column(f"_gap_{offset}_{size}", f"FixedString({size})", "EPHEMERAL")


def _field(schema: Schema, name: str, dtype: np.dtype[Any]) -> list[_Column]:
    type_ = column_type(schema, name)
    if name in schema.words:
        words = {0: "unknown", **schema.words[name]}
        return _derived(name, "UInt8", type_, _word(_raw(name), words), words=words)
    if dtype.kind == "S":
        index = _skip_index(schema, name)
        return _derived(name, f"FixedString({dtype.itemsize})", type_, _text(_raw(name)), index=index)
    if dtype.kind == "b":
        return _derived(name, "UInt8", type_, f"{quoted(_raw(name))} != 0")
    absent = ("DEFAULT", "nan") if dtype.kind == "f" else ("", "")
    return [_Column(name, type_, *absent, codec=_codec(schema, name, dtype), index=_skip_index(schema, name))]


def _derived(
    name: str, raw_type: str, type_: str, expression: str, *, index: str = "", words: Mapping[int, str] | None = None
) -> list[_Column]:
    raw = _raw(name)
    return [
        _Column(raw, raw_type, "EPHEMERAL"),
        _Column(name, type_, "DEFAULT", expression, source=raw, codec="ZSTD(1)", index=index, words=words),
    ]


def _raw(name: str) -> str:
    return f"_{name}_raw"


# An insert pays for each function in its table's expressions, however few its rows are. So a word is looked up by
# `transform`: `if` and a list would be six functions for three.


def _text(raw: str) -> str:
    text = f"toString({quoted(raw)})"  # of a FixedString: cuts the trailing NULs, and only those
    return f"if(isValidUTF8({quoted(raw)}), {text}, concat('invalid_utf8:', hex({text})))"


def _word(raw: str, words: Mapping[int, str]) -> str:
    values = ", ".join(str(int(value)) for value in sorted(words))  # an IntEnum is written otherwise
    listed = ", ".join(literal(words[value]) for value in sorted(words))
    return f"transform({quoted(raw)}, [{values}], [{listed}], concat('invalid_', toString({quoted(raw)})))"


def _codec(schema: Schema, name: str, dtype: np.dtype[Any]) -> str:
    if name == "seq":
        return "DoubleDelta, ZSTD(1)"
    if schema.is_time(name) or (dtype.kind in "iu" and name.endswith("_seq")):
        return "Delta, ZSTD(1)"
    if dtype.kind in "iu" and name != "session":
        return "T64, ZSTD(1)"
    return "ZSTD(1)"


def _skip_index(schema: Schema, name: str) -> str:
    if schema.is_time(name):
        return "minmax"
    if schema.fields[name][0].kind != "S":
        return ""
    return "set(100)" if name == "symbol" else "bloom_filter(0.01)" if name.endswith("_id") else ""


def _index(column: _Column, condition: str = "") -> str:
    return f"INDEX {condition}{quoted(column.name + '_index')} {quoted(column.name)} TYPE {column.index}"


def _alter_column(table: str, column: _Column, found: FoundColumn) -> list[str]:
    if plain(found.type) != plain(column.type):
        back = f"change it back: ALTER TABLE {table} MODIFY COLUMN {column.name} {column.type}"
        raise _mismatch(table, f"column {column.name} is {found.type}", column.type, back)
    if column.kind == "EPHEMERAL" or column.source:
        if found.default_kind != column.kind or column.source not in found.default_expression:
            shape = f"{found.default_kind} {found.default_expression}".strip() or "without a default"
            raise _mismatch(table, f"column {column.name} is {shape}", f"{column.kind} {column.expression}".strip())
    elif found.default_kind not in ("", "DEFAULT"):
        raise _mismatch(table, f"column {column.name} is {found.default_kind}", "a column that can be inserted")
    if column.words is None:
        return []
    merged = _merged(table, column, _words(found.comment))
    if merged == _words(found.comment):
        return []
    return [f"MODIFY COLUMN {replace(column, expression=_word(column.source, merged), words=merged, codec='')}"]


def plain(type_: str) -> str:
    """Whether a text is stored with a dictionary is the owner's choice."""
    return "String" if type_ == _WORD else type_


def _described(words: Mapping[int, str]) -> str:
    return json.dumps({str(value): word for value, word in sorted(words.items())}, ensure_ascii=False)


def _words(comment: str) -> dict[int, str]:
    try:
        return {int(value): str(word) for value, word in json.loads(comment).items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}  # not our comment, or edited by hand: the words are set again


def _merged(table: str, column: _Column, stored: Mapping[int, str]) -> dict[int, str]:
    assert column.words is not None
    for value, word in column.words.items():
        if stored.get(value, word) != word:
            raise _mismatch(table, f"column {column.name} has the word {stored[value]!r} for {value}", repr(word))
    return {**stored, **column.words}
