"""Where a database is: a server behind a path, an address of IPv6, and names that no database of ours can have."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ringbuf.errors import InvalidName, SinkUnavailable, TableMismatch
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from tests.clickhouse.databases import Database, check_line, server_of
from tests.command import ringbuf
from tests.recorded import Recorded, check_stored, wait_stored
from tests.writer_process import WriterProcess

PATH = "/click/house"


@pytest.fixture
def behind_a_path(clickhouse_server: ClickHouse) -> Iterator[str]:
    """The server as a gateway shows it: under a path, and nothing beside that."""
    server_of(clickhouse_server)  # its password, if it has one

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            path = self.path.removeprefix(PATH)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if path == self.path:
                self.send_error(404)
                return
            connection = http.client.HTTPConnection(clickhouse_server.host, clickhouse_server.http_port)
            connection.request("POST", path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    gateway = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    serving = threading.Thread(target=gateway.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{gateway.server_port}{PATH}"
    gateway.shutdown()
    gateway.server_close()
    serving.join()


@pytest.mark.parametrize("end", ["", "/"])
def test_a_server_may_be_behind_a_path(
    end: str, behind_a_path: str, data_dir: Path, clickhouse_server: ClickHouse, database: str
) -> None:
    ring = Recorded("mm")
    ring.record(20)
    with WriterProcess(data_dir, "--clickhouse", behind_a_path + end, "--database", database) as writer:
        writer.wait_running()
        wait_stored(clickhouse_server, database, ring)
        assert writer.status()["sink"]["url"] == behind_a_path
        writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)
    counted = ringbuf("sql", "SELECT count() AS records FROM executions", "--data-dir", str(data_dir), "--json")
    assert (counted.returncode, counted.stdout, counted.stderr) == (0, '{"records":20}\n', "")


def test_messages_name_the_path(behind_a_path: str) -> None:
    elsewhere = behind_a_path.replace(PATH, "/elsewhere")
    with pytest.raises(SinkUnavailable) as raised:
        ClickHouseSink(Server(elsewhere), "d").prepare()
    check_line(raised.value, elsewhere, "404")


def test_an_address_of_ipv6_has_its_brackets_in_messages_and_wherever_it_is_kept() -> None:
    server = Server("http://me@[::1]:9/path")
    assert server.url == "http://me@[::1]:9/path"
    assert ClickHouseSink(server, "d").destination == "database d, http://[::1]:9/path"
    assert Server(str(server.url)).where == server.where
    with pytest.raises(SinkUnavailable) as raised:
        ClickHouseSink(server, "d").prepare()
    check_line(raised.value, "ClickHouse at http://[::1]:9/path")


@pytest.mark.parametrize("name", ["system", "information_schema", "INFORMATION_SCHEMA", ""])
def test_a_name_that_no_database_of_ours_can_have_is_refused_before_anything_is_done(name: str, data_dir: Path) -> None:
    with pytest.raises(InvalidName):
        ClickHouseSink(Server("http://nowhere.invalid"), name)
    refused = ringbuf("writer", "--data-dir", str(data_dir), "--database", name)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert repr(name) in refused.stderr


def test_a_database_of_the_server_that_keeps_no_tables_is_refused(store: Database) -> None:
    name = store.name()
    store.command(f"CREATE DATABASE {name} ENGINE = Memory")
    with pytest.raises(TableMismatch, match="has the engine Memory, which keeps no tables of ours"):
        store.prepare()
