"""Profiles that would change what a statement of ours means, if it did not say so itself: joins, FINAL, columns."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ringbuf.errors import SinkUnavailable
from ringbuf.query import database as query
from ringbuf.query.questions.orders import orders
from ringbuf.record.seqs import Range
from ringbuf.sinks.clickhouse.engine import Server
from tests.clickhouse.databases import Database, check_line, executions
from tests.clickhouse.profiles import database_of, profile, started, users_file
from tests.clickhouse.test_settings import fills
from tests.clickhouse_server import ClickHouseServer

PROFILES = {
    "any_joins": {"join_default_strictness": "ANY"},
    "no_joins": {"join_default_strictness": ""},
    "spilled": {"join_algorithm": "grace_hash"},
    "final": {"final": "1"},
    "nullable": {"data_type_default_nullable": "1"},
}
"""Users may set all of these otherwise; those whose names begin with `always_` may not."""


class ServerOfOddProfiles(ClickHouseServer):
    """A server whose users are called after the profiles."""

    users = users_file(
        *(profile(name, settings, "") for name, settings in PROFILES.items()),
        *(profile(f"always_{name}", settings) for name, settings in PROFILES.items()),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A server with all these users."""
    with started(ServerOfOddProfiles, tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def opened(server: ClickHouseServer, request: pytest.FixtureRequest) -> Iterator[Database]:
    """The database of the user that the test is about, named as the user."""
    with database_of(server, request.param) as made:
        yield made


@pytest.mark.parametrize("opened", ["final"], indirect=True)
def test_where_a_profile_merges_what_is_read_an_order_that_has_its_id_now_is_open_once(opened: Database) -> None:
    opened.set_up()
    sent = {"exchange": "x", "account": "a", "symbol": "s", "side": "buy", "client_order_id": "c", "quantity": 3.0}
    opened.insert(executions([{**sent, "exec_type": "pending_new", "order_status": "pending_new"}]))
    opened.close_sums()
    acknowledged = {**sent, "exec_type": "new", "order_status": "new", "order_id": "o", "captured_ns": 1}
    opened.insert(executions([acknowledged], first_seq=1))
    shown = opened.rows(f"SELECT open_buy FROM {opened.name()}.positions")
    assert shown == [(3,)]
    reader = query.Database(opened.name(), lambda statement: [opened.query_json(statement)])
    assert [row["order_id"] for row in orders(reader, is_open=True)] == ["o"]


@pytest.mark.parametrize("opened", ["always_final"], indirect=True)
def test_a_profile_by_which_a_writer_cannot_see_what_is_gone_is_named(opened: Database) -> None:
    opened.set_up()
    with pytest.raises(SinkUnavailable) as raised:
        opened.insert(fills(1))
    check_line(raised.value, "setting final is 1 for this user, who may not change it, and must be 0")


@pytest.mark.parametrize("opened", ["nullable"], indirect=True)
def test_where_a_profile_has_every_column_be_nullable_ours_are_as_they_should_be(
    opened: Database, server: ClickHouseServer
) -> None:
    opened.set_up()
    opened.command(f"ALTER TABLE {opened.name()}.executions DROP COLUMN user")
    opened.set_up()
    columns = f"SELECT type FROM system.columns WHERE database = '{opened.name()}' AND table = 'executions'"
    assert server.rows(f"{columns} AND name = 'user'") == [("LowCardinality(String)",)]
    opened.insert(fills(3))
    assert json.loads(opened.query_json("SELECT fills FROM positions")) == {"fills": 3}


@pytest.mark.parametrize("opened", ["any_joins", "always_any_joins", "always_no_joins", "spilled"], indirect=True)
def test_however_a_profile_joins_records_are_found_and_hedges_have_all_their_fills(opened: Database) -> None:
    opened.set_up()
    ids: dict[str, Any] = {"exchange": "x", "account": "a", "symbol": "s", "strategy": "mm", "side": "buy"}
    filled = {**ids, "exec_type": "fill", "order_status": "partially_filled", "last_price": 2.5, "last_quantity": 1.0}
    maker = {**filled, "order_id": "m", "client_order_id": "m"}
    hedge = {**filled, "order_id": "h", "client_order_id": "h", "symbol": "t", "side": "sell"}
    asked = {"exec_type": "pending_new", "order_status": "pending_new", "quantity": 2.0, "link_id": "m"}
    request = {**ids, **asked, "client_order_id": "h", "symbol": "t", "side": "sell"}
    told = [{**maker, "trade_id": "1"}, {**maker, "trade_id": "2", "last_price": 3.5}, request]
    told += [{**hedge, "trade_id": "3"}, {**hedge, "trade_id": "4", "last_price": 4.5}]
    for few in (1_000, 0):
        first = 0 if few else 5
        each = [{**row, "captured_ns": seq + 1, "account": str(few)} for seq, row in enumerate(told)]
        opened.insert(executions(each, first_seq=first), few=few)
    assert opened.missing(Range(1, 0, 300)) == [Range(1, 10, 290)]
    asked_for = "SELECT price, hedge_price FROM hedges(since = '', until = '')"
    assert opened.query_json(asked_for) == b'{"price":3,"hedge_price":3.5}\n' * 2


@pytest.mark.parametrize("opened", ["always_spilled"], indirect=True)
def test_an_algorithm_of_joins_that_will_not_do_is_named_at_once(opened: Database) -> None:
    with pytest.raises(SinkUnavailable) as raised:
        opened.prepare()
    check_line(raised.value, "join_algorithm is grace_hash for this user", "must be direct,parallel_hash,hash")


@pytest.mark.parametrize("opened", ["always_spilled"], indirect=True)
def test_who_may_not_choose_how_to_join_may_ask_the_views(opened: Database, server: ClickHouseServer) -> None:
    all_mighty = Database(Server(server.url), opened.name())
    all_mighty.set_up()
    all_mighty.close()
    assert opened.query_json("SELECT count() AS n FROM hedges(since = '', until = '')") == b'{"n":0}\n'
