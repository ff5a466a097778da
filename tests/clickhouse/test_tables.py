"""From the bytes of records to columns, and from one version of a table to the next."""

import re
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
import pytest

from ringbuf.errors import InvalidName, SchemaError, TableMismatch
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import RESERVED, Schema
from ringbuf.record.seqs import Range
from ringbuf.sinks.clickhouse import table
from tests.clickhouse.databases import Database, Records, executions

I64 = (-(2**63), -(2**63) + 1, -(10**18), -1, 0, 1, 1_700_000_000_123_456_789, 2**63 - 1)
U64 = (0, 1, 2**53 + 1, 2**63, 2**64 - 1)
FLOATS = (0.0, -0.0, 0.1, 1e-7, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan"))


def expected(schema: Schema, name: str, value: Any) -> Any:
    """What the database shows for a field, from the bytes in the record."""
    kind = schema.fields[name][0].kind
    if name in schema.words:
        return schema.words[name].get(int(value), "unknown" if value == 0 else f"invalid_{int(value)}")
    if kind == "S":
        content = bytes(value)
        try:
            return content.decode()
        except UnicodeDecodeError:
            return f"invalid_utf8:{content.hex().upper()}"
    if kind == "V":
        return value.tobytes()
    if kind == "f":
        return struct.pack("<d", value)
    return bool(value) if kind == "b" else int(value)


def shown(schema: Schema, name: str, value: Any) -> Any:
    """What came back, comparable: floats by their bits."""
    return struct.pack("<d", value) if schema.fields[name][0].kind == "f" else value


def check_columns(store: Database, schema: Schema, records: Records) -> None:
    """Every field of every record is in its column."""
    listed = [f"toUnixTimestamp64Nano({name})" if schema.is_time(name) else f"`{name}`" for name in schema.names]
    rows = store.rows(f"SELECT {', '.join(listed)} FROM `{store.name()}`.`{schema.name}` ORDER BY session, seq")
    assert len(rows) == len(records)
    for record, row in zip(np.sort(records, order=["session", "seq"]), rows, strict=True):
        for name, value in zip(schema.names, row, strict=True):
            assert shown(schema, name, value) == expected(schema, name, record[name]), name


def random_texts(draw: np.random.Generator, width: int, count: int) -> list[bytes]:
    """Texts of every kind: empty, as wide as can be, cut in the middle of a character, with a NUL inside, no UTF-8."""
    wide = "žluťoučký 🐎 ".encode() * width
    kinds: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: b"x" * width,
        lambda: wide[: int(draw.integers(0, width + 1))],
        lambda: b"a\0b" if width > 2 else b"a",
        lambda: b"\0leading"[:width],
        lambda: draw.bytes(int(draw.integers(0, width + 1))),
        lambda: b"\xed\xa0\x80",  # a surrogate
        lambda: f"ORD-{int(draw.integers(10**9))}".encode()[:width],
    ]
    return [kinds[int(draw.integers(len(kinds)))]() for _ in range(count)]


def random_executions(count: int, seed: int) -> Records:
    """Records with all a field can hold."""
    draw = np.random.default_rng(seed)
    records = np.zeros(count, EXECUTION.dtype)
    for name, (dtype, _) in EXECUTION.fields.items():
        if dtype.kind == "S":
            records[name] = random_texts(draw, dtype.itemsize, count)
        elif dtype.kind == "f":
            usual = np.round(draw.normal(1000, 300, count), 4)
            records[name] = np.where(draw.random(count) < 0.5, usual, draw.choice(FLOATS, count))
        elif dtype.str == "<i8":
            records[name] = draw.choice(np.array(I64, "<i8"), count)
        elif dtype.str == "<u8":
            records[name] = draw.choice(np.array(U64, "<u8"), count)
        else:
            records[name] = draw.integers(0, np.iinfo(dtype).max, count, dtype, endpoint=True)
    records["session"], records["seq"] = 2**64 - 1, np.arange(2**64 - count, 2**64, dtype="<u8")
    return records


def test_every_field_of_an_execution_is_in_its_column(store: Database) -> None:
    store.set_up()
    records = random_executions(500, seed=1)
    store.insert(records, pieces=7)
    check_columns(store, EXECUTION, records)


def test_every_format_a_schema_may_have_is_in_its_column(store: Database) -> None:
    formats = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8", "b1", "S1", "S300", "V1", "V300"]
    fields = [(f"{code.lower()}_{position}", code) for position, code in enumerate(formats)]
    fields += [("select", "u2"), ("x", "S4"), ("x_raw", "S4"), ("colour", "u1"), ("at_ns", "i8"), ("at_ns_too", "i8")]
    words = {1: "it's", 2: 'a \\ "quote"', 200: "`tick`"}
    schema = Schema.define("formats", fields, words={"colour": words})
    draw = np.random.default_rng(2)
    records = np.frombuffer(draw.bytes(200 * schema.record_size), schema.dtype).copy()
    records["session"], records["seq"] = 5, np.arange(200)
    records["x"], records["x_raw"] = b"one", b"two"
    records["colour"] = draw.choice(np.array([0, 1, 2, 3, 200, 255], "u1"), 200)
    store.prepare()
    store.ensure(schema)
    store.insert(records, schema)
    check_columns(store, schema, records)


def test_no_bytes_of_a_record_make_an_insert_or_a_query_fail(store: Database) -> None:
    store.set_up()
    draw = np.random.default_rng(3)
    poison = np.frombuffer(draw.bytes(600 * EXECUTION.record_size), EXECUTION.dtype).copy()
    raw = poison.view("u1").reshape(600, EXECUTION.record_size)
    for position, byte in enumerate((0x00, 0x7F, 0x80, 0xFF)):
        raw[position] = byte
    for name, words in EXECUTION.words.items():  # half of them are executions as far as their enumerations say
        poison[name][300:] = draw.integers(0, len(words), 300)
    poison["exec_type"][400:] = draw.choice([2, 2, 2, 11, 12], 200)
    for name in ("exchange", "account", "symbol", "trade_id", "order_id"):  # and some are of the same order
        poison[name][500:] = b"\xff\0same"
    poison["session"], poison["seq"] = 1, np.arange(600)
    store.insert(poison)
    assert store.missing(Range(1, 0, 600)) == []
    for view in ("executions", "fills", "orders", "positions", "funding_payments"):
        query = f"SELECT * FROM {store.name()}.{view}"
        assert len(store.rows(query)) == len(store.json(query)) > 0, view
    assert len(store.rows(f"SELECT toString(exchange_ns), toString(price) FROM {store.name()}.executions")) == 600


def test_any_single_bit_pattern_of_a_number_is_harmless_in_every_view(store: Database) -> None:
    """Each number in turn has each extreme value, in a good fill but for that; one of 0 is a status."""
    store.set_up()
    good = {"exec_type": "fill", "side": "buy", "last_price": 2.0, "last_quantity": 3.0, "order_id": "o"}
    rows = [
        {**good, "trade_id": f"{name} {value!r}", name: value}
        for name, (dtype, _) in EXECUTION.fields.items()
        for value in (FLOATS if dtype.kind == "f" else I64 if dtype.str == "<i8" else ())
    ]
    store.insert(executions(rows))
    assert len(store.rows(f"SELECT * FROM {store.name()}.fills")) == sum(row["last_quantity"] != 0 for row in rows)
    for view in ("orders", "positions"):
        assert len(store.json(f"SELECT * FROM {store.name()}.{view}")) == 1


def test_the_same_token_twice_stores_once(store: Database) -> None:
    store.set_up()
    records = random_executions(50, seed=4)
    for _ in range(3):
        store.insert(records, token="the same")
    assert store.rows(f"SELECT count() FROM {store.name()}.executions") == [(50,)]
    store.insert(records, token="another")
    assert store.rows(f"SELECT count() FROM {store.name()}.executions FINAL") == [(50,)]


def test_an_insert_of_a_million_rows_is_one_block(on_server: Database) -> None:
    schema = Schema.define("ticks", [("price", "f8")])
    records = np.zeros(1_000_000, schema.dtype)
    records["seq"] = np.arange(len(records))
    on_server.prepare()
    on_server.ensure(schema)
    on_server.command(f"SYSTEM STOP MERGES {on_server.name()}.ticks")
    on_server.insert(records, schema)
    parts = f"SELECT rows FROM system.parts WHERE database = '{on_server.name()}' AND table = 'ticks'"
    assert on_server.rows(parts) == [(1_000_000,)]


def test_the_columns_of_an_insert_cover_the_record_byte_by_byte() -> None:
    names = re.findall(r"`(\w+)`", table.insert_into(EXECUTION, "d").partition(" (")[2])
    assert len(set(names)) == len(names)
    assert names[:3] == ["session", "seq", "captured_ns"]
    assert [name for name in names if name.startswith("_gap")] == ["_gap_62_2"]
    assert table.header(EXECUTION).startswith(bytes([len(names), 7]) + b"session")
    many = Schema.define("many", [(f"f{number}", "u1") for number in range(300)])
    assert table.header(many)[:2] == bytes([(303 & 127) | 128, 303 >> 7])


def test_a_table_just_created_needs_nothing(store: Database) -> None:
    store.prepare()
    assert store.ensure()
    assert not store.ensure()
    store.set_up()


# From one version to the next


class Kind(IntEnum):
    """Values as a user may have them."""

    BID = 1


FIRST = Schema.define("signals", [("value", "f8"), ("venue", "S8"), ("kind", "u1")], words={"kind": {Kind.BID: "bid"}})
SECOND = Schema.define(
    "signals",
    [
        ("value", "f8"),
        ("venue", "S8"),
        ("kind", "u1"),
        ("good", "b1"),
        ("stage", "u1"),
        ("weight", "f4"),
        ("signal_id", "S8"),
        ("made_ns", "i8"),
    ],
    version=2,
    words={"kind": {1: "bid", 2: "ask"}, "stage": {1: "open"}},
)


def signals(schema: Schema, session: int, **fields: Any) -> Records:
    """One record."""
    record = np.zeros(1, schema.dtype)
    for name, value in {"session": session, **fields}.items():
        record[name] = value
    return record


def test_a_new_field_becomes_a_new_column_and_is_absent_in_old_records(store: Database) -> None:
    store.prepare()
    store.ensure(FIRST)
    store.insert(signals(FIRST, 1, value=1.5, venue=b"old", kind=2), FIRST)
    assert store.ensure(SECOND)
    assert not store.ensure(SECOND)
    new = signals(SECOND, 2, value=2.5, kind=2, good=True, stage=1, weight=0.5, signal_id=b"s-1", made_ns=10**18)
    store.insert(new, SECOND)
    store.insert(signals(FIRST, 3, value=3.5, kind=1), FIRST)  # an old ring that still holds records
    query = (
        "SELECT session, value, venue, kind, good, stage, isNaN(weight), signal_id, toUnixTimestamp64Nano(made_ns)"
        f" FROM {store.name()}.signals ORDER BY session"
    )
    assert store.rows(query) == [
        (1, 1.5, "old", "invalid_2", False, "unknown", 1, "", 0),
        (2, 2.5, "", "ask", True, "open", 0, "s-1", 10**18),
        (3, 3.5, "", "bid", False, "unknown", 1, "", 0),
    ]
    indices = f"SELECT name FROM system.data_skipping_indices WHERE database = '{store.name()}' ORDER BY name"
    assert store.rows(indices) == [("made_ns_index",), ("signal_id_index",)]


def test_an_older_schema_takes_nothing_away(store: Database) -> None:
    store.prepare()
    store.ensure(SECOND)
    store.ensure(FIRST)  # its padding is still needed
    assert not store.ensure(FIRST)
    assert not store.ensure(SECOND)
    store.insert(signals(FIRST, 1, kind=2), FIRST)
    assert store.rows(f"SELECT kind FROM {store.name()}.signals") == [("ask",)]


def test_who_owns_the_table_may_tune_it(store: Database) -> None:
    store.prepare()
    store.ensure(FIRST)
    name = f"{store.name()}.signals"
    store.command(f"ALTER TABLE {name} MODIFY COLUMN venue String, ADD COLUMN note String DEFAULT 'n'")
    store.command(f"ALTER TABLE {name} MODIFY COLUMN value CODEC(ZSTD(3)), ADD INDEX v value TYPE minmax")
    assert not store.ensure(FIRST)
    store.insert(signals(FIRST, 1, venue=b"v"), FIRST)
    assert store.rows(f"SELECT venue, note FROM {name}") == [("v", "n")]


MISMATCHES = {
    "another engine": ("ENGINE = MergeTree ORDER BY (session, seq)", "", "engine is MergeTree"),
    "another sorting key": ("ENGINE = ReplacingMergeTree ORDER BY session", "", r"sorting key is \(session\)"),
    "a number of another type": ("", "MODIFY COLUMN value Float32", "column value is Float32, expected Float64"),
    "a text without its default": ("", "MODIFY COLUMN venue REMOVE DEFAULT", "column venue is without a default"),
    "a text from elsewhere": ("", "MODIFY COLUMN venue DEFAULT 'x'", "column venue is DEFAULT 'x', expected"),
    "a word of another meaning": (
        "",
        """COMMENT COLUMN kind '{"1": "offer"}'""",
        "column kind has the word 'offer' for 1, expected 'bid'",
    ),
    "a number that is computed": ("", "MODIFY COLUMN value MATERIALIZED 1.0", "column value is MATERIALIZED"),
}


@pytest.mark.parametrize(("created", "altered", "said"), MISMATCHES.values(), ids=list(MISMATCHES))
def test_a_table_of_another_shape_is_named_and_left_alone(
    store: Database, created: str, altered: str, said: str
) -> None:
    store.prepare()
    name = f"{store.name()}.signals"
    if created:
        store.command(f"CREATE TABLE {name} (session UInt64, seq UInt64) {created}")
    else:
        store.ensure(FIRST)
        store.command(f"ALTER TABLE {name} {altered}")
    before = store.rows(f"SELECT create_table_query FROM system.tables WHERE database = '{store.name()}'")
    with pytest.raises(TableMismatch, match=f"table {name}: {said}") as raised:
        store.ensure(FIRST)
    assert "\n" not in str(raised.value)
    assert store.rows(f"SELECT create_table_query FROM system.tables WHERE database = '{store.name()}'") == before


def test_no_schema_can_take_the_name_of_what_is_already_there(store: Database) -> None:
    store.set_up()
    taken = store.rows(f"SELECT name FROM system.tables WHERE database = '{store.name()}'")
    assert {name for (name,) in taken} == RESERVED | {EXECUTION.name}
    for (name,) in taken:
        with pytest.raises(SchemaError, match="choose another one"):
            Schema.define(name, [("x", "f8")])


def test_a_schema_cannot_take_the_name_of_a_view_of_the_owner(store: Database) -> None:
    store.prepare()
    store.command(f"CREATE VIEW {store.name()}.signals AS SELECT 1 AS x")
    with pytest.raises(TableMismatch, match=f"table {store.name()}.signals: engine is View"):
        store.ensure(FIRST)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE TABLE {}.sessions (session UInt64) ENGINE = MergeTree ORDER BY session", "engine is MergeTree"),
        (
            "CREATE TABLE {}.sessions (session UInt64, host String) ENGINE = AggregatingMergeTree ORDER BY session",
            "column namespace is missing",
        ),
    ],
)
def test_a_foreign_table_sessions_is_refused(store: Database, sql: str, said: str) -> None:
    store.command(f"CREATE DATABASE {store.name()}")
    store.command(sql.format(store.name()))
    with pytest.raises(TableMismatch, match=said):
        store.prepare()


def test_names_are_quoted_whatever_they_hold() -> None:
    assert table.quoted("a`b\\c") == "`a\\`b\\\\c`"
    assert table.literal("a'b\\c\0") == "'a\\'b\\\\c\\0'"


@pytest.mark.parametrize("name", ["", "a\nb", "a\0b", "x" * 201, "\ud800"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        table.quoted(name)


@pytest.mark.parametrize("name", ["fills", "funding_payments", "orders", "positions"])
def test_a_view_has_the_columns_of_its_query(views: Database, name: str) -> None:
    told = f"database = '{views.name()}' AND"
    ((query,),) = views.rows(f"SELECT as_select FROM system.tables WHERE {told} name = '{name}'")
    columns = views.rows(f"SELECT name, type FROM system.columns WHERE {told} table = '{name}' ORDER BY position")
    assert [tuple(row) for row in columns] == [tuple(row[:2]) for row in views.rows(f"DESCRIBE ({query})")]
