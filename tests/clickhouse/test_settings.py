"""Settings that the owner of a server has given our user, and that the user may not change."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringbuf.errors import SinkUnavailable
from ringbuf.record.execution import EXECUTION
from ringbuf.record.seqs import Range
from ringbuf.record.session import SessionInfo
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.lines import as_lines
from tests.clickhouse.databases import Database, Records, check_line, executions
from tests.clickhouse.profiles import database_of, profile, started, url_of, users_file
from tests.clickhouse_server import ClickHouseServer
from tests.proxy import Exchange, Proxy
from tests.recorded import Recorded, check_stored, wait_stored
from tests.writer_process import WriterProcess

HARMLESS = {
    "right": {"async_insert": "0", "deduplicate_insert": "enable", "max_insert_block_size": "1048449"},
    "one_row": {"max_result_rows": "1"},
    "old_analyzer": {"allow_experimental_analyzer": "0"},
    "elsewhere": {"session_timezone": "Asia/Tokyo"},
    "nulls": {"join_use_nulls": "1"},
    "small_rows": {"min_insert_block_size_rows": "100"},
    "small_bytes": {"min_insert_block_size_bytes": "100"},
    "no_deduplication_of_old": {"insert_deduplicate": "0"},
    "narrow": {"allow_suspicious_fixed_string_types": "0"},
    "array": {"output_format_json_array_of_rows": "1"},
    "quoted": {"output_format_json_quote_64bit_integers": "1"},
    "remembered": {"use_query_cache": "0"},
    "left_table": {"single_join_prefer_left_table": "0"},
    "tuples": {"output_format_json_named_tuples_as_objects": "0"},
    "any_joins": {"join_default_strictness": "ANY"},
    "no_joins": {"join_default_strictness": ""},
}
"""Profiles under which a writer works: these settings are fixed at these values."""

WRONG = {
    "later": ("async_insert", "1", "0"),
    "pieces": ("max_insert_block_size", "1000", "1000000 at least"),
    "doubled": ("deduplicate_insert", "disable", "enable"),
    "binary": ("input_format_binary_decode_types_in_binary_format", "1", "0"),
}
"""Profiles under which it does not: a setting, the value it is fixed at, and what it must be."""

CUT = {"max_rows_to_group_by": "1", "group_by_overflow_mode": "any"}
"""Sums of what comes first, as if it were all."""

MESSAGE = "setting async_insert is 1 for this user, who may not change it"

UNREADABLE = ("quoted", "tuples")
"""Profiles under which JSON is written in another way."""


class ServerWithProfiles(ClickHouseServer):
    """A server whose users are called after the profiles above."""

    users = users_file(
        *(profile(name, settings) for name, settings in HARMLESS.items()),
        *(profile(name, {setting: value}) for name, (setting, value, _) in WRONG.items()),
        profile("bounded", {"max_insert_block_size": "5000"}, "<max>50000</max>"),
        profile("constant", {"async_insert": "1"}, "<const/>"),
        profile("cached", {"use_query_cache": "1"}),
        profile("limited", {"limit": "1"}, ""),
        profile("shifted", {"offset": "1"}, ""),
        profile("cut", CUT, ""),
        profile("points", {"output_format_always_write_decimal_point_in_float_and_decimal": "1"}, ""),
        profile("slashes", {"output_format_json_escape_forward_slashes": "1"}, ""),
        profile("empty_sums", {"aggregate_functions_null_for_empty": "1"}, ""),
        profile("short", {"date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands": "1"}, ""),
        profile("always_limited", {"limit": "1"}),
        profile("always_cut", CUT),
        profile("cut_and_reading", {"readonly": "1", **CUT}, ""),
        profile("reading", {"readonly": "1"}, ""),
        profile("settings_only", {"readonly": "2"}, ""),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A server with all these users."""
    with started(ServerWithProfiles, tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def opened(server: ClickHouseServer, request: pytest.FixtureRequest) -> Iterator[Database]:
    """The database of the user that the test is about, named as the user."""
    with database_of(server, request.param) as made:
        yield made


def fills(count: int) -> Records:
    """Fills of one session."""
    fill = {"exec_type": "fill", "order_status": "partially_filled", "side": "buy", "last_price": 2.5, "price": 3.0}
    identity = {"exchange": "x", "account": "a", "symbol": "s", "exchange_ns": 1}
    return executions(
        [
            {**fill, **identity, "order_id": f"o{seq}", "last_quantity": 0.5, "trade_id": f"t{seq}"}
            for seq in range(count)
        ]
    )


@pytest.mark.parametrize("opened", HARMLESS, indirect=True)
def test_whatever_a_profile_fixes_the_same_is_stored_and_known_to_be_stored(
    opened: Database, server: ClickHouseServer
) -> None:
    name = opened.name()
    opened.set_up()
    opened.set_up()  # all is as it should be: nothing is altered
    assert not opened.ensure()
    records = fills(20_000)
    for _ in range(2):
        opened.insert(records, token="the same")
    opened.note_sessions([(SessionInfo(1, "mm", "host", 7, "default", 123, EXECUTION), 1_700_000_000_000_000_000)])
    assert opened.missing(Range(1, 0, 20_100), Range(7, 3, 2)) == [Range(1, 20_000, 100), Range(7, 3, 2)]
    assert server.rows(f"SELECT count(), uniqExact(seq), sum(last_quantity) FROM {name}.executions") == [
        (20_000, 20_000, 10_000.0)
    ]
    parts = f"SELECT rows, min_block_number = max_block_number FROM system.parts WHERE database = '{name}'"
    assert server.rows(f"{parts} AND table = 'executions' AND active") == [(20_000, 1)]
    assert server.rows(f"SELECT toUnixTimestamp64Nano(last_seen_ns) FROM {name}.sessions FINAL") == [
        (1_700_000_000_000_000_000,)
    ]


@pytest.mark.parametrize("opened", [each for each in HARMLESS if each not in UNREADABLE], indirect=True)
def test_whatever_a_profile_fixes_an_answer_is_the_same(opened: Database) -> None:
    opened.set_up()
    opened.insert(fills(3))
    assert opened.query_json("SELECT count() AS n FROM executions FINAL") == b'{"n":3}\n'
    assert json.loads(opened.query_json("SELECT * EXCEPT last_captured_ns FROM positions")) == {
        "exchange": "x", "account": "a", "symbol": "s", "position_side": "unknown", "position_id": "", "strategy": "",
        "quantity": 1.5, "bought_quantity": 1.5,
        "sold_quantity": 0, "bought_quote": 3.75, "sold_quote": 0, "commissions": {}, "fills": 3, "ignored": 0,
        "unpriced": 0, "ignored_commissions": 0, "open_buy": 0, "open_sell": 0, "awaited_buy": 0, "awaited_sell": 0,
        "last_exchange_ns": "1970-01-01 00:00:00.000000001",
    }  # fmt: skip


@pytest.mark.parametrize("opened", UNREADABLE, indirect=True)
def test_an_answer_that_would_be_another_is_refused_and_the_setting_named(opened: Database) -> None:
    ((setting, value),) = HARMLESS[opened.name()].items()
    with pytest.raises(SinkUnavailable) as raised:
        opened.query_json("SELECT 1")
    check_line(raised.value, f"setting {setting} is {value} for this user, who may not change it", "owner")


@pytest.mark.parametrize("opened", WRONG, indirect=True)
def test_a_setting_that_is_wrong_and_fixed_is_named_with_its_value(opened: Database, server: ClickHouseServer) -> None:
    setting, value, needed = WRONG[opened.name()]
    opened.set_up()
    with pytest.raises(SinkUnavailable) as raised:
        opened.insert(fills(1))
    check_line(raised.value, f"setting {setting} is {value} for this user", f"must be {needed}", "owner", opened.name())
    assert server.rows(f"SELECT count() FROM {opened.name()}.executions") == [(0,)]


@pytest.mark.parametrize("opened", ["cached"], indirect=True)
def test_a_cache_of_answers_that_may_not_be_left_out_is_named_at_once(opened: Database) -> None:
    """An answer from it would say that records are missing which are there."""
    with pytest.raises(SinkUnavailable, match="Setting use_query_cache should not be changed") as raised:
        opened.prepare()
    check_line(raised.value, "owner")


@pytest.mark.parametrize("opened", ["points"], indirect=True)
def test_whole_numbers_have_no_point_whatever_a_profile_writes(opened: Database) -> None:
    opened.prepare()
    sql = "SELECT toString(toDecimal64(10, 4)) AS text, toDecimal64(10, 4) AS number, toString([1.]) AS floats"
    assert opened.query_json(sql) == b'{"text":"10","number":10,"floats":"[1]"}\n'


@pytest.mark.parametrize("opened", ["slashes"], indirect=True)
def test_a_symbol_with_a_slash_is_found_in_json_by_grep(opened: Database) -> None:
    opened.prepare()
    assert opened.query_json("SELECT 'BTC/USDT' AS symbol") == b'{"symbol":"BTC/USDT"}\n'


@pytest.mark.parametrize("opened", ["short"], indirect=True)
def test_times_have_all_their_digits_whatever_a_profile_cuts(opened: Database) -> None:
    opened.prepare()
    assert opened.query_json("SELECT toDateTime64(1, 9, 'UTC') AS at") == b'{"at":"1970-01-01 00:00:01.000000000"}\n'


@pytest.mark.parametrize("opened", ["empty_sums"], indirect=True)
def test_where_a_profile_has_nothing_added_up_to_null_all_is_derived_folded_and_made_again(opened: Database) -> None:
    opened.set_up()
    opened.insert(fills(3))
    opened.fold()
    opened.rebuild()
    opened.fold()
    opened.close_sums()
    assert json.loads(opened.query_json("SELECT fills FROM positions")) == {"fills": 3}


@pytest.mark.parametrize("opened", ["limited", "shifted"], indirect=True)
def test_a_limit_of_a_profile_leaves_out_no_row(opened: Database) -> None:
    opened.set_up()
    opened.insert(fills(3))
    opened.close_sums()
    assert opened.query_json("SELECT trade_id FROM fills ORDER BY trade_id").count(b"\n") == 3
    assert opened.missing(Range(1, 0, 2), Range(1, 2, 5)) == [Range(1, 3, 4)]
    assert json.loads(opened.query_json("SELECT fills FROM positions")) == {"fills": 3}


@pytest.mark.parametrize("opened", ["cut"], indirect=True)
def test_an_answer_that_a_limit_would_cut_is_an_error(opened: Database) -> None:
    opened.set_up()
    with pytest.raises(SinkUnavailable, match="TOO_MANY_ROWS"):
        opened.query_json("SELECT number, count() FROM numbers(100) GROUP BY number")
    with pytest.raises(SinkUnavailable, match="TOO_MANY_ROWS"):
        opened.insert(fills(3))


@pytest.mark.parametrize(
    ("opened", "setting", "needed"),
    [
        ("always_limited", "limit", "0"),
        ("always_cut", "group_by_overflow_mode", "throw"),
        ("cut_and_reading", "group_by_overflow_mode", "throw"),
    ],
    indirect=["opened"],
)
def test_a_setting_by_which_answers_are_cut_is_named_at_once(opened: Database, setting: str, needed: str) -> None:
    with pytest.raises(SinkUnavailable) as raised:
        opened.query_json("SELECT 1")
    check_line(raised.value, setting, f"have the server's owner set it to {needed} in the user's profile")


@pytest.mark.parametrize("opened", ["bounded"], indirect=True)
def test_a_setting_that_may_not_be_raised_far_enough_is_named(opened: Database) -> None:
    opened.set_up()
    with pytest.raises(SinkUnavailable, match="max_insert_block_size is 5000 for this user, who may not change it"):
        opened.insert(fills(1))


@pytest.mark.parametrize("opened", ["reading", "settings_only"], indirect=True)
def test_a_user_that_may_only_read_is_told_so_and_may_ask(opened: Database, server: ClickHouseServer) -> None:
    all_mighty = Database(Server(server.url), opened.name())
    all_mighty.set_up()
    all_mighty.insert(fills(2))
    all_mighty.close()
    assert opened.query_json("SELECT count() AS n FROM fills") == b'{"n":2}\n'
    assert opened.missing(Range(1, 0, 9)) == [Range(1, 2, 7)]
    opened.set_up()  # all there already
    with pytest.raises(SinkUnavailable, match="this user may only read: its setting readonly is"):
        opened.insert(fills(1))


def test_nothing_is_asked_of_a_server_that_is_not_needed(server: ClickHouseServer) -> None:
    """The library asks for all settings there are when it connects, and fails where so many rows are forbidden."""
    statements: list[bytes] = []

    def note(exchange: Exchange) -> None:
        statements.append(exchange.request.body)
        exchange.reply(exchange.answer())

    with Proxy(server.host, server.http_port) as proxy:
        proxy.play(note, times=10, applies=lambda _: True)
        database = Database(Server(proxy.url), "default")
        database.query_json("SELECT 1")
        database.close()
    assert len(statements) == 2, statements
    assert b"FROM system.settings WHERE name IN" in statements[0]


def test_a_writer_says_which_setting_is_wrong_and_goes_on_when_the_owner_has_mended_it(
    new_clickhouse_server: Callable[[], ClickHouseServer], data_dir: Path
) -> None:
    """Nothing is lost meanwhile, and nobody has to start anything again."""
    server = new_clickhouse_server()
    users = server.directory / "users.xml"
    server.kill()
    ring = Recorded("mm")
    users.write_text(users_file(profile("desk", {"async_insert": "0"})))
    server.start()
    with WriterProcess(data_dir, "--clickhouse", url_of(server, "desk"), "--database", "db") as writer:
        writer.wait_running()
        ring.record(10)
        wait_stored(server, "db", ring)
        for value in ("1", "0"):
            server.kill()
            users.write_text(users_file(profile("desk", {"async_insert": value})))
            ring.record(10)
            writer.wait_until(lambda: writer.status()["sink"]["error"] is not None, "notice that the server is gone")
            server.start()
            if value == "1":
                writer.wait_until(lambda: MESSAGE in str(writer.status()["sink"]["error"]), "say what is wrong")
        wait_stored(server, "db", ring)
        writer.stop()
    with server.client() as client:
        check_stored(client, "db", ring)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_an_array_of_rows_becomes_lines_wherever_it_is_cut(size: int) -> None:
    array, lines = b'[\n{"a":"]"},\n{"a":"[,"}\n]\n', b'{"a":"]"}\n{"a":"[,"}\n'
    for text, expected in ((array, lines), (lines, lines), (b"[\n\n]\n", b""), (b"", b"")):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert b"".join(as_lines(pieces)) == expected
