"""What the sink makes of servers that refuse, lie, hang or are not there, and how it counts what is stored."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ringbuf.errors import SinkRefused, SinkUnavailable, TableMismatch
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.record.seqs import Range
from ringbuf.record.session import SessionInfo
from ringbuf.sinks.clickhouse.engine import PASSWORD_VARIABLE, USER_VARIABLE, Server
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from tests.clickhouse.databases import Database, check_line, executions
from tests.clickhouse_server import PASSWORD, READER, WRITER, ClickHouseServer
from tests.proxy import Fault, Proxy, answer_with, cut_answer, cut_request, hang, http

TICKS = Schema.define("ticks", [("price", "f8")])
NewServer = Callable[[], ClickHouseServer]


def ticks(session: int, *seqs: int) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """Records with these seqs."""
    records = np.zeros(len(seqs), TICKS.dtype)
    records["session"], records["seq"] = session, seqs
    return records


# What is stored


def test_what_is_missing_is_found_to_the_seq(store: Database) -> None:
    store.prepare()
    store.ensure(TICKS)
    top = 2**64 - 1
    store.insert(ticks(1, *range(100), 200, 201), TICKS)
    store.insert(ticks(1, *range(50)), TICKS)  # the same once more: counts once
    store.insert(ticks(top, 0, top - 1, top), TICKS)
    asked = [
        Range(1, 0, 100),  # all is there
        Range(1, 100, 100),  # nothing
        Range(1, 200, 10),  # the first two
        Range(2, 0, 1000),  # a session it has nothing of
        Range(top, 0, 5),  # the first
        Range(top, top - 9, 10),  # the last two
    ]
    missing = [Range(1, 100, 100), Range(1, 202, 8), Range(2, 0, 1000), Range(top, 1, 4), Range(top, top - 9, 8)]
    assert store.missing(*asked, schema=TICKS) == missing
    assert store.missing(*asked[::-1], schema=TICKS) == missing
    assert store.missing(schema=TICKS) == []
    assert store.missing(Range(1, 90, 120), schema=TICKS) == [Range(1, 100, 100), Range(1, 202, 8)]


def test_what_is_missing_of_thousands_of_ranges_is_found(store: Database) -> None:
    store.prepare()
    store.ensure(TICKS)
    sessions = range(2**60, 2**60 + 1200)
    store.insert(np.concatenate([ticks(session, *range(0, 30, 2)) for session in sessions]), TICKS)
    asked = [Range(session, first, 10) for session in sessions for first in (0, 15)]
    odd = [Range(session, seq, 1) for session in sessions for seq in (1, 3, 5, 7, 9, 15, 17, 19, 21, 23)]
    assert store.missing(*asked, schema=TICKS) == odd


def test_what_is_missing_of_millions_of_records_is_found(store: Database) -> None:
    """In several statements, and where a statement or a range ends none is forgotten or told twice."""
    store.prepare()
    store.ensure(TICKS)
    gaps = [Range.between(1, end - 1, end + 2) for end in (65_536, 1_048_576, 1_500_000)]
    records = np.zeros(2_000_000, TICKS.dtype)
    records["session"], records["seq"] = 1, np.arange(2_000_000)
    present = np.ones(2_000_000, bool)
    for gap in gaps:
        present[gap.first_seq : gap.end] = False
    for part in np.array_split(records[present], 3):
        store.insert(part, TICKS)
    assert store.missing(Range(1, 0, 2_000_000), schema=TICKS) == gaps


def test_sessions_keep_when_they_were_first_and_last_seen(store: Database) -> None:
    store.prepare()
    info = SessionInfo(2**64 - 1, "mm-'btc'\\", "host", 7, "default", 123, EXECUTION)
    store.note_sessions([(info, 20), (SessionInfo(5, "other", "\udcff", 8, "default", -1, EXECUTION), 1)])
    store.note_sessions([(info, 30)])
    store.note_sessions([(info, 10)])
    store.note_sessions([])
    times = ", ".join(f"toUnixTimestamp64Nano({name}_ns)" for name in ("created", "first_seen", "last_seen"))
    query = f"SELECT session, ring, pid, schema, schema_version, {times} FROM {store.name()}.sessions FINAL"
    assert store.rows(f"{query} ORDER BY session DESC") == [
        (2**64 - 1, "mm-'btc'\\", 7, "executions", EXECUTION.version, 123, 10, 30),
        (5, "other", 8, "executions", EXECUTION.version, -1, 1, 1),
    ]


def test_a_query_cannot_change_anything_and_leaves_the_sink_as_it_was(store: Database) -> None:
    store.set_up()
    assert store.query_json("SELECT toUInt64(18446744073709551615) AS x") == b'{"x":18446744073709551615}\n'
    with pytest.raises(SinkUnavailable, match="code 164 READONLY"):
        store.query_json("DROP TABLE executions")
    store.insert(executions([{}]))
    assert store.query_json("SELECT count() AS records FROM executions") == b'{"records":1}\n'


def test_what_was_dropped_meanwhile_is_created_again(store: Database) -> None:
    store.prepare()
    store.ensure(TICKS)
    store.command(f"DROP DATABASE {store.name()} SYNC")
    with pytest.raises(SinkUnavailable, match="UNKNOWN_DATABASE"):
        store.insert(ticks(1, 0), TICKS)
    assert store.ensure(TICKS)
    store.insert(ticks(1, 0), TICKS)
    store.command(f"DROP TABLE {store.name()}.sessions SYNC")
    info = SessionInfo(1, "mm", "host", 7, "default", 123, TICKS)
    with pytest.raises(SinkUnavailable, match="UNKNOWN_TABLE"):
        store.note_sessions([(info, 1)])
    store.note_sessions([(info, 1)])


# Refusals


def test_bytes_that_end_inside_a_record_are_not_taken_and_not_called_bad(store: Database) -> None:
    store.prepare()
    store.ensure(TICKS)
    with pytest.raises(SinkUnavailable) as raised:  # they were cut on the way
        store.insert_bytes(ticks(1, 0, 1, 2).tobytes()[:-1], 3, TICKS)
    check_line(raised.value, "code 33 CANNOT_READ_ALL_DATA", "inserting 3 records into ticks", store.name())
    assert store.missing(Range(1, 0, 3), schema=TICKS) == [Range(1, 0, 3)]


def test_a_constraint_of_the_owner_refuses_the_whole_insert(store: Database) -> None:
    store.prepare()
    store.ensure(TICKS)
    store.command(f"ALTER TABLE {store.name()}.ticks ADD CONSTRAINT low CHECK price < 5")
    records = ticks(1, *range(1000))
    records["price"][999] = 7
    with pytest.raises(SinkRefused) as raised:
        store.insert(records, TICKS)
    check_line(raised.value, "code 469 VIOLATED_CONSTRAINT", "low")
    assert store.missing(Range(1, 0, 1000), schema=TICKS) == [Range(1, 0, 1000)]
    store.insert(records[:999], TICKS)


@pytest.mark.parametrize("altered", ["MODIFY COLUMN price Int64", "MODIFY COLUMN price Float32"])
def test_a_table_altered_meanwhile_is_not_taken_for_bad_data(store: Database, altered: str) -> None:
    """A type of the same width would otherwise take the bytes for something else."""
    store.prepare()
    store.ensure(TICKS)
    store.command(f"ALTER TABLE {store.name()}.ticks MODIFY COLUMN price DEFAULT 0")
    store.command(f"ALTER TABLE {store.name()}.ticks {altered}")
    with pytest.raises(TableMismatch, match="column price is"):
        store.insert(ticks(1, 0), TICKS)
    assert store.missing(Range(1, 0, 1), schema=TICKS) == [Range(1, 0, 1)]


def test_a_column_dropped_meanwhile_is_added_again(store: Database) -> None:
    store.prepare()
    store.ensure(TICKS)
    store.command(f"ALTER TABLE {store.name()}.ticks DROP COLUMN price")
    with pytest.raises(SinkUnavailable, match="code 16 NO_SUCH_COLUMN_IN_TABLE"):
        store.insert(ticks(1, 0), TICKS)
    assert store.ensure(TICKS)
    store.insert(ticks(1, 0), TICKS)


def test_nobody_listening_is_said_in_one_line() -> None:
    with pytest.raises(SinkUnavailable) as raised:
        ClickHouseSink(Server("http://127.0.0.1:9"), "d").prepare()
    check_line(raised.value, "http://127.0.0.1:9", "Connection refused")


def test_a_host_that_does_not_exist_is_said_in_one_line() -> None:
    with pytest.raises(SinkUnavailable) as raised:
        ClickHouseSink(Server("http://no-such-host.invalid"), "d").prepare()
    check_line(raised.value, "http://no-such-host.invalid:8123", "resolve")


def test_users_without_password_or_right_are_told(
    new_clickhouse_server: NewServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = new_clickhouse_server()
    url = f"127.0.0.1:{server.http_port}"
    monkeypatch.setenv(USER_VARIABLE, WRITER)
    monkeypatch.setenv(PASSWORD_VARIABLE, "a wrong one")
    with pytest.raises(SinkUnavailable) as raised:
        ClickHouseSink(Server(f"http://{url}"), "d").prepare()
    check_line(raised.value, "code 516 AUTHENTICATION_FAILED", USER_VARIABLE, PASSWORD_VARIABLE)
    assert "a wrong one" not in str(raised.value)

    password_file = tmp_path / "password"
    password_file.write_text(f"{PASSWORD}\n")
    writer = Database(Server(f"http://{url}", password_file=password_file), "d")
    writer.set_up()
    writer.insert(executions([{}]))
    writer.close()

    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    reader = Database(Server(f"http://{READER}@{url}"), "d")
    reader.prepare()  # all there already: nothing to do that a reader may not do
    for view in ("fills", "funding_payments", "orders", "positions"):
        reader.rows(f"SELECT * FROM d.{view}")
    with pytest.raises(SinkUnavailable) as raised:
        reader.insert(executions([{}]))
    check_line(raised.value, "readonly", "may only read")
    reader.close()
    assert PASSWORD not in repr(reader._sink) + repr(vars(reader._sink))


def test_a_server_killed_and_started_again_is_used_again(new_clickhouse_server: NewServer) -> None:
    server = new_clickhouse_server()
    database = Database(Server(server.url), "d")
    database.prepare()
    database.ensure(TICKS)
    server.kill()
    with pytest.raises(SinkUnavailable, match="Connection refused"):
        database.insert(ticks(1, 0), TICKS)
    server.start()
    database.insert(ticks(1, 0), TICKS)
    assert database.missing(Range(1, 0, 1), schema=TICKS) == []
    database.close()


# What is between the sink and the server


@pytest.fixture
def proxy(clickhouse_server: ClickHouse) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with Proxy(clickhouse_server.host, clickhouse_server.http_port) as proxy:
        yield proxy


BROKEN: dict[str, Fault] = {
    "cut before the request": cut_request(lambda request: 0),
    "cut in the header": cut_request(lambda request: len(request.header) // 2),
    "cut in the body": cut_request(lambda request: len(request.header) + 10),
    "cut before the answer": cut_answer(lambda length: 0),
    "cut in the answer": cut_answer(lambda length: length // 2),
    "cut before the answer's end": cut_answer(lambda length: length - 1),
    "hanging": hang,
    "no HTTP": answer_with(b"\x16\x03\x01 SSH-2.0-OpenSSH\r\n"),
    "another server": answer_with(http(200, "OK", b"<html>hello</html>\n")),
    "an empty answer": answer_with(http(200, "OK", b"")),
    "not JSON": answer_with(http(200, "OK", b'{"data": 7}')),
    "not all there": answer_with(http(200, "OK", b'{"data": [[1]]}')),
    "no UTF-8": answer_with(http(200, "OK", b'{"data": ["\xff"]}')),
    "a redirection": answer_with(http(302, "Found", b"", "Location: http://127.0.0.1:9/\r\n")),
    "not found": answer_with(http(404, "Not Found", b"<html>\nnobody\nhere\n</html>")),
    "overloaded": answer_with(http(503, "Service Unavailable", b"later")),
    "something endless": answer_with(b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n"),
}


@pytest.fixture
def broken(on_server: Database, proxy: Proxy) -> Iterator[Database]:
    """The same database as `on_server`, behind the proxy; with a table of ticks."""
    on_server.prepare()
    on_server.ensure(TICKS)
    opened = Database(Server(proxy.url, timeout=0.5), on_server.name())
    wait_until(lambda: is_answering(opened), "the connection is open")
    yield opened
    opened.close()


def is_answering(database: Database) -> bool:
    try:
        database.query_json("SELECT 1")
    except SinkUnavailable:  # half a second may be too little on a busy machine
        return False
    return True


@pytest.mark.parametrize("fault", BROKEN.values(), ids=list(BROKEN))
def test_an_insert_is_sent_once_and_acknowledged_only_if_it_is_stored(
    broken: Database, on_server: Database, proxy: Proxy, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.play(fault)
    wanted = Range(1, 0, 3)
    try:
        broken.insert(ticks(1, 0, 1, 2), TICKS, token="once")
    except SinkUnavailable as error:
        check_line(error, on_server.name(), proxy.url)
    else:
        assert on_server.missing(wanted, schema=TICKS) == []
    assert proxy.tokens == ["once"]
    assert not [entry for entry in caplog.records if entry.levelno >= logging.WARNING]


@pytest.mark.parametrize("fault", BROKEN.values(), ids=list(BROKEN))
def test_a_question_is_answered_truly_or_not_at_all(
    broken: Database, on_server: Database, proxy: Proxy, fault: Fault
) -> None:
    wanted = Range(1, 0, 5)
    on_server.insert(ticks(1, 0, 1, 2), TICKS)
    questions: dict[Callable[[], object], object] = {
        lambda: broken.missing(wanted, schema=TICKS): [Range(1, 3, 2)],
        lambda: broken.ensure(TICKS): False,
        lambda: broken.prepare(): None,
    }
    proxy.play(fault, applies=lambda exchange: b"JSONCompactEachRow" in exchange.request.body)
    for question, truth in questions.items():
        try:
            assert question() == truth
        except SinkUnavailable as error:
            check_line(error, on_server.name(), proxy.url)
    assert proxy.played


NO_CONTACT = {name: fault for name, fault in BROKEN.items() if name != "cut before the answer's end"}


@pytest.mark.parametrize("fault", NO_CONTACT.values(), ids=list(NO_CONTACT))
def test_whatever_answers_at_the_first_contact_is_unavailable(proxy: Proxy, fault: Fault) -> None:
    proxy.play(fault, applies=lambda _: True)
    with pytest.raises(SinkUnavailable) as raised:
        ClickHouseSink(Server(proxy.url, timeout=0.3), "d").prepare()
    check_line(raised.value, proxy.url)


def test_a_password_that_is_sent_back_does_not_get_into_a_message(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "hush-hush")
    proxy.play(lambda exchange: exchange.reply(http(400, "No", exchange.request.header + b" hush-hush")),
               applies=lambda _: True)  # fmt: skip
    with pytest.raises(SinkUnavailable) as raised:
        ClickHouseSink(Server(proxy.url), "d").prepare()
    assert "hush-hush" not in str(raised.value)
    assert "ZGVmYXVsdDpodXNoLWh1c2g=" not in str(raised.value)  # as the header has it
