"""Whether it is the table's TTL or a row policy that takes records which were stored."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from ringbuf.record.schema import Schema
from ringbuf.record.seqs import SeqSet
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.sinks.clickhouse.withheld import AT_ONCE, expiring_conditions, ttl_of
from tests.clickhouse.databases import Database, Records, server_of
from tests.clickhouse_server import PASSWORD, WRITER, ClickHouseServer

DAY_NS = 86_400 * 10**9
FIELDS = [("captured_ns", "i8"), ("symbol", "S8"), ("price", "f8"), ("live", "b1"), ("side", "u1"), ("raw", "V2")]
TICKS = Schema.define("ticks", FIELDS, words={"side": {1: "buy", 2: "sell"}})
DAY = "toDateTime(captured_ns) + INTERVAL 1 DAY"


def ticks(count: int, old: int) -> Records:
    """So many records, of which the first are ten days old."""
    records = np.zeros(count, TICKS.dtype)
    records["session"], records["seq"] = 7, np.arange(count)
    records["captured_ns"] = time.time_ns() - np.where(np.arange(count) < old, 10 * DAY_NS, 0)
    records["symbol"] = [b"a'b", b"c\\d", b"e, f)", b"\xff"] * (count // 4)
    records["price"] = [float("nan"), float("inf"), float("-inf"), -0.5] * (count // 4)
    records["live"], records["side"] = np.arange(count) % 2, np.arange(count) % 4
    records["raw"] = np.arange(count, dtype=">u2").view("V2")
    return records


def seqs(found: SeqSet) -> list[int]:
    assert all(each.session == 7 for each in found.ranges)
    return [seq for each in found.ranges for seq in range(each.first_seq, each.end)]


def prepared(store: Database, ttl: str = "") -> Database:
    store.prepare()
    store.ensure(TICKS)
    if ttl:
        store.command(f"ALTER TABLE {store.name()}.ticks MODIFY TTL {ttl} SETTINGS materialize_ttl_after_modify = 0")
    return store


RULES = {
    DAY: range(100),
    f"{DAY} DELETE": range(100),
    "toDate(captured_ns) + 1": range(100),
    "toDateTime(captured_ns) + INTERVAL 20 DAY": range(0),
    f"{DAY} DELETE WHERE side = 'buy'": range(1, 100, 4),
    f"{DAY} DELETE WHERE side = 'invalid_3' OR raw = unhex('0002')": [2, *range(3, 100, 4)],
    f"{DAY} DELETE WHERE symbol IN ('a''b', 'e, f)') AND live": range(0),
    f"{DAY} DELETE WHERE symbol = 'e, f)' OR symbol LIKE '%TTL%'": range(2, 100, 4),
    f"{DAY} DELETE WHERE symbol = 'c\\\\d' AND isInfinite(price)": range(1, 100, 4),
    f"{DAY} DELETE WHERE isNaN(price), {DAY} DELETE WHERE live": [*range(0, 100, 4), *range(1, 100, 2)],
    f"{DAY} TO DISK 'default', toDateTime(captured_ns) + toIntervalDay(2) RECOMPRESS CODEC(ZSTD(3))": range(0),
}


@pytest.mark.parametrize("rule", RULES)
def test_what_a_ttl_takes_is_known_record_by_record(rule: str, store: Database) -> None:
    found = prepared(store, rule).withheld(ticks(200, old=100), TICKS)
    assert seqs(found.expired) == sorted(RULES[rule])
    assert found.hidden.ranges == ()
    assert bool(found.ttl) == ("DISK" not in rule)
    store.insert(ticks(200, old=100), TICKS)
    store.command(f"OPTIMIZE TABLE {store.name()}.ticks FINAL")  # what the database itself makes of it
    left = [seq for (seq,) in store.rows(f"SELECT seq FROM {store.name()}.ticks ORDER BY seq")]
    assert [seq for seq in range(200) if seq not in left] == sorted(RULES[rule])


def test_of_many_records_each_is_asked_for(store: Database) -> None:
    found = prepared(store, DAY).withheld(ticks(4 * AT_ONCE, old=3 * AT_ONCE + 7), TICKS)
    assert seqs(found.expired) == list(range(3 * AT_ONCE + 7))


def test_nothing_is_withheld_by_a_table_without_rules_or_by_none(store: Database) -> None:
    store.prepare()
    assert store.withheld(ticks(4, old=4), TICKS).expired.ranges == ()
    found = prepared(store).withheld(ticks(4, old=4), TICKS)
    assert (found.expired.ranges, found.hidden.ranges, found.ttl, found.policy) == ((), (), "", "")


def test_of_a_rule_about_a_column_of_the_owners_nothing_is_known(store: Database) -> None:
    prepared(store)
    store.command(f"ALTER TABLE {store.name()}.ticks ADD COLUMN added DateTime DEFAULT now()")
    store.command(f"ALTER TABLE {store.name()}.ticks MODIFY TTL added + INTERVAL 1 DAY")
    found = store.withheld(ticks(4, old=4), TICKS)
    assert (found.expired.ranges, found.ttl != "") == ((), True)


@pytest.mark.parametrize(
    ("engine", "conditions"),
    [
        ("ReplacingMergeTree ORDER BY (session, seq) SETTINGS index_granularity = 8192", []),
        (
            "ReplacingMergeTree ORDER BY (session, seq) TTL a",
            ["toDateTime(a) <= now() AND toUnixTimestamp(toDateTime(a)) != 0"],
        ),
        ("MergeTree ORDER BY x TTL a GROUP BY x SET y = max(y) SETTINGS b = 1", []),
        ("MergeTree ORDER BY ` TTL a` SETTINGS b = ' TTL c'", []),
    ],
)
def test_the_rules_are_found_in_what_the_server_calls_the_engine(engine: str, conditions: list[str]) -> None:
    assert expiring_conditions(ttl_of(engine)) == conditions


def test_what_a_row_policy_hides_from_this_user_is_known_record_by_record(
    new_clickhouse_server: Callable[[], ClickHouseServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = new_clickhouse_server()
    users = server.directory / "users.xml"
    policy = "<databases><db><ticks><filter>side != 'sell' AND seq &lt; 50</filter></ticks></db></databases>"
    server.kill()
    users.write_text(users.read_text().replace(f"</{WRITER}>", f"{policy}</{WRITER}>"))
    server.start()
    monkeypatch.setenv("RINGBUF_CLICKHOUSE_PASSWORD", PASSWORD)
    monkeypatch.setenv("RINGBUF_CLICKHOUSE_USER", WRITER)
    sink = ClickHouseSink(server_of(server), "db")
    sink.prepare()
    sink.ensure(TICKS)
    records = ticks(100, old=0)
    body = [memoryview(records.tobytes())]
    sink.insert(TICKS, body, 100, "token")
    visible = [seq for seq in range(50) if seq % 4 != 2]
    with server.client(username=WRITER, password=PASSWORD) as client:
        assert client.query("SELECT seq FROM db.ticks ORDER BY seq").result_columns == [visible]
    found = sink.withheld(TICKS, body)
    assert seqs(found.hidden) == [seq for seq in range(100) if seq not in visible]
    assert (found.expired.ranges, "side != 'sell'" in found.policy) == ((), True)
    sink.close()
