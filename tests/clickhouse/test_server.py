"""The test server itself: real enough to be killed, and never left behind."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from ringbuf.errors import ConfigurationError
from ringbuf.launch.clickhouse_server import ClickHouse, find_engine
from tests.checkout import ROOT
from tests.clickhouse_server import NO_ENGINE, PASSWORD, READER, WRITER, ClickHouseServer

NewServer = Callable[[], ClickHouseServer]


def test_a_server_killed_and_started_again_keeps_its_tables(new_clickhouse_server: NewServer) -> None:
    server = new_clickhouse_server()
    with server.client() as client:
        client.command("CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x")
        client.command("INSERT INTO t VALUES (7), (8)")
    killed = server.pid
    server.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(killed, 0)

    server.start()

    assert server.pid != killed
    with server.client() as client:
        assert client.query("SELECT x FROM t ORDER BY x").result_rows == [(7,), (8,)]


def test_two_servers_share_nothing(new_clickhouse_server: NewServer) -> None:
    one, other = new_clickhouse_server(), new_clickhouse_server()
    with one.client() as client:
        client.command("CREATE DATABASE only_here")
    with other.client() as client:
        assert client.command("EXISTS DATABASE only_here") == 0


def test_users_with_a_password_and_without_rights_are_there_to_test_with(new_clickhouse_server: NewServer) -> None:
    server = new_clickhouse_server()
    with server.client(username=WRITER, password=PASSWORD) as client:
        client.command("CREATE DATABASE written")
    with pytest.raises(DatabaseError, match="516"):
        server.client(username=WRITER, password="wrong")
    with server.client(username=READER, password=PASSWORD) as client, pytest.raises(DatabaseError, match="164"):
        client.command("DROP DATABASE written")


def test_a_server_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    engine = find_engine() or pytest.skip(NO_ENGINE)
    program = (
        "import sys, time, pathlib\n"
        "from tests.clickhouse_server import ClickHouseServer\n"
        "server = ClickHouseServer(sys.argv[1], pathlib.Path(sys.argv[2]))\n"
        "server.start()\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, engine, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        server = os.pidfd_open(int(starter.stdout.readline()))
        try:
            assert not select.select([server], [], [], 0)[0], "the server does not run"
            starter.send_signal(signal.SIGKILL)
            assert select.select([server], [], [], 30)[0], "the server outlived its starter"
        finally:
            os.close(server)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = ClickHouseServer("/nowhere/libchdb.so", tmp_path)
    with pytest.raises(ConfigurationError, match="cannot open shared object file"):
        server.start()


def test_a_test_gets_a_database_name_that_is_free(clickhouse_server: ClickHouse, database: str) -> None:
    with clickhouse_server.client() as client:
        assert client.command(f"EXISTS DATABASE {database}") == 0
        client.command(f"CREATE DATABASE {database}")


def test_a_url_may_hold_user_and_password(new_clickhouse_server: NewServer) -> None:
    server = new_clickhouse_server()
    url = f"http://{WRITER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{server.http_port}"
    with ClickHouse(url).client() as client:
        assert client.command("SELECT currentUser()") == WRITER
