"""How a server is reached over TLS, what settings are refused, and what the embedded engine needs."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ringbuf.errors import ConfigurationError, SinkUnavailable
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from tests.clickhouse.databases import Database, check_line, executions, server_of
from tests.command import ringbuf
from tests.writer_process import WriterProcess

# TLS

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@pytest.fixture
def tls_url(clickhouse_server: ClickHouse) -> Iterator[str]:
    """The server, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), source, target:
            while content := source.recv(1 << 16):
                target.sendall(content)

    def accept() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection((clickhouse_server.host, clickhouse_server.http_port))
            try:
                secured = context.wrap_socket(client, server_side=True)
            except OSError:
                client.close()
                server.close()
                continue
            for pair in ((secured, server), (server, secured)):
                threading.Thread(target=pass_on, args=pair, daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_certificate_nobody_vouches_for_is_refused(tls_url: str) -> None:
    with pytest.raises(SinkUnavailable) as raised:
        ClickHouseSink(Server(tls_url), "d").prepare()
    check_line(raised.value, tls_url, "CERTIFICATE_VERIFY_FAILED")


def test_a_certificate_of_ones_own_is_trusted_when_named(
    tls_url: str, clickhouse_server: ClickHouse, database: str
) -> None:
    server_of(clickhouse_server)  # its password, if it has one
    opened = Database(Server(tls_url, ca_file=CERTIFICATE), database)
    opened.set_up()
    opened.insert(executions([{"exec_type": "fill"}] * 10), pieces=3)
    assert opened.rows(f"SELECT count() FROM {database}.executions") == [(10,)]
    opened.close()


# Settings

WRONG_URLS = {
    "localhost:8123": "is not the URL of a ClickHouse server",
    "tcp://localhost": "is not the URL of a ClickHouse server",
    "http://": "is not the URL of a ClickHouse server",
    "http://host:port": "cannot be read",
    "http://host:99999": "cannot be read",
    "http://[::1": "cannot be read",
    "http://host?secure=0": "has more than a host, a port and a path",
    "http://host/path#part": "has more than a host, a port and a path",
}


@pytest.mark.parametrize(("url", "said"), WRONG_URLS.items())
def test_a_url_that_is_none_is_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Server(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="holds a password") as raised:
        Server("https://writer:hush-hush@host")
    assert "hush-hush" not in str(raised.value)


@pytest.mark.parametrize("option", ["password_file", "ca_file"])
def test_a_file_that_is_not_there_is_named(option: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {option: tmp_path / "nowhere"}
    with pytest.raises(ConfigurationError, match=str(tmp_path / "nowhere")):
        Server("http://host", **given)


def test_an_empty_password_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").touch()
    with pytest.raises(ConfigurationError, match="is empty"):
        Server("http://host", password_file=tmp_path / "password")


# Embedded


def in_another_process(program: str, *arguments: str) -> str:
    """What a program prints, chDB being loaded only there."""
    run = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_without_chdb_it_is_said_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['chdb'] = None\n"
        "from pathlib import Path\n"
        "from ringbuf.errors import ConfigurationError\n"
        "from ringbuf.sinks.clickhouse.engine import Embedded\n"
        "from ringbuf.sinks.clickhouse.sink import ClickHouseSink\n"
        "try:\n"
        "    ClickHouseSink(Embedded(Path(sys.argv[1])), 'd').prepare()\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
    )
    assert 'pip install "ringbuf-capture[embedded]"' in in_another_process(program, str(tmp_path))


OPEN_TWICE = (
    "import subprocess, sys\n"
    "from pathlib import Path\n"
    "from ringbuf.errors import SinkUnavailable\n"
    "from ringbuf.sinks.clickhouse.engine import Embedded\n"
    "from ringbuf.sinks.clickhouse.sink import ClickHouseSink\n"
    "sink = ClickHouseSink(Embedded(Path(sys.argv[1])), 'd')\n"
    "try:\n"
    "    sink.prepare()\n"
    "    print('opened')\n"
    "except SinkUnavailable as error:\n"
    "    print(error)\n"
    "if len(sys.argv) == 3:\n"
    "    print(subprocess.run([sys.executable, *sys.argv[2:], sys.argv[1]], capture_output=True, text=True).stdout)\n"
    "sink.close()\n"
)


def test_a_directory_that_another_process_has_open_is_unavailable(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(OPEN_TWICE)
    mine, its = in_another_process(OPEN_TWICE, str(tmp_path / "data"), str(program)).splitlines()[:2]
    assert mine == "opened"
    assert f"chDB in {tmp_path / 'data'}" in its and "is there another?" in its
    assert in_another_process(OPEN_TWICE, str(tmp_path / "data")) == "opened\n"


def test_an_embedded_insert_leaves_no_file_behind(tmp_path: Path) -> None:
    before = set(Path("/tmp").iterdir())
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from ringbuf.record.execution import EXECUTION\n"
        "from ringbuf.sinks.clickhouse.engine import Embedded\n"
        "from ringbuf.sinks.clickhouse.sink import ClickHouseSink\n"
        "sink = ClickHouseSink(Embedded(Path(sys.argv[1])), 'd')\n"
        "sink.prepare()\n"
        "sink.ensure(EXECUTION)\n"
        "for number in range(5):\n"
        "    body = [memoryview(np.zeros(1, EXECUTION.dtype).tobytes())] * 3\n"
        "    sink.insert(EXECUTION, body, 3, f'token {number}')\n"
        "links = [file.resolve().name for file in Path('/proc/self/fd').iterdir()]\n"
        "print(sum('ringbuf-insert' in link for link in links))\n"
        "os._exit(0)\n"  # as a crash would end it
    )
    assert int(in_another_process(program, str(tmp_path / "data"))) == 0
    assert not [path for path in set(Path("/tmp").iterdir()) - before if path.suffix in (".raw", ".native")]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT])
def test_a_fatal_signal_ends_a_writer_with_an_embedded_database(data_dir: Path, number: signal.Signals) -> None:
    with WriterProcess(data_dir) as writer:
        writer.wait_running()
        os.kill(writer.pid, number)
        assert writer.process.wait(20) == -number


def test_the_embedded_database_is_for_its_user_alone(data_dir: Path) -> None:
    data_dir.chmod(0o755)
    with WriterProcess(data_dir) as writer:
        writer.wait_running()
        assert (data_dir / "clickhouse").stat().st_mode & 0o077 == 0


def test_the_tools_know_the_files_that_the_writer_was_given(tls_url: str, database: str, data_dir: Path) -> None:
    options = ("--clickhouse", tls_url, "--database", database, "--ca-file", str(CERTIFICATE))
    with WriterProcess(data_dir, *options) as writer:
        writer.wait_running()
        writer.stop()
    for command in (["sql", "SELECT count() AS n FROM executions", "--json"], ["audit", "--json"]):
        ended = ringbuf(*command, "--data-dir", str(data_dir))
        assert (ended.returncode, ended.stderr) == (0, "")
