"""`ringbuf sql` prints rows as they come, however many there are, from a server and through a writer."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.state.data_directory import DataDirectory
from tests.clickhouse.databases import server_of
from tests.command import RINGBUF, ringbuf
from tests.memory import peak_memory
from tests.writer_process import WriterProcess

ENDLESS = "SELECT number, repeat('x', 100) AS text FROM system.numbers"


@pytest.fixture(params=["server", "writer"])
def asked(
    request: pytest.FixtureRequest, clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> Iterator[Path]:
    """A data directory whose database is asked directly, or through a writer."""
    if request.param == "writer":
        options = ["--clickhouse", server_of(clickhouse_server).url or "", "--database", database]
        with WriterProcess(data_dir, *options) as writer:
            writer.wait_running()
            yield data_dir
        return
    clickhouse_server.command(f"CREATE DATABASE {database}")
    sink = {"kind": "server", "url": server_of(clickhouse_server).url, "database": database}
    DataDirectory(data_dir).status.write_text(json.dumps({"sink": sink}))
    yield data_dir


@pytest.fixture
def start(asked: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts `ringbuf sql`; it does not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(statement: str, *options: str) -> "subprocess.Popen[bytes]":
        command = [RINGBUF, "sql", statement, "--data-dir", str(asked), *options]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def test_a_table_of_many_rows_keeps_its_columns_and_shows_each_row_once(asked: Path) -> None:
    statement = "SELECT number, concat('t', toString(number % 7)) AS text FROM numbers(120000)"
    printed = ringbuf("sql", statement, "--data-dir", str(asked))
    assert (printed.returncode, printed.stderr) == (0, "")
    title, *rows = printed.stdout.splitlines()
    assert title == "number  text"
    assert len(rows) == 120_000
    for number, row in enumerate(rows):
        assert row == f"{number:>6}  t{number % 7}", "a later cell is as wide as there is room"


def test_a_statement_that_names_a_format_is_told_that_it_cannot(asked: Path) -> None:
    for statement in ("SELECT 1 AS x FORMAT CSV", "SELECT 1 AS x\nformat Pretty;"):
        refused = ringbuf("sql", statement, "--data-dir", str(asked))
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
        assert refused.stderr.endswith("; leave FORMAT out: the answer is a table, or JSON with --json\n")
    assert ringbuf("sql", "SELECT 1 AS x;", "--data-dir", str(asked), "--json").stdout == '{"x":1}\n'


def test_a_later_cell_that_is_wider_is_shown_whole(asked: Path) -> None:
    statement = "SELECT number AS n, if(number = 5000, 'wide and wider', '') AS text, number AS m FROM numbers(5001)"
    *_, before, last = ringbuf("sql", statement, "--data-dir", str(asked)).stdout.splitlines()
    assert before == "4999        4999"
    assert last == "5000  wide and wider  5000"


def test_the_memory_for_an_answer_does_not_grow_with_it(asked: Path) -> None:
    """Of the command: 300 MB of rows go through it."""
    statement = "SELECT number, repeat('x', 1000) AS text FROM numbers(300000)"
    command = [RINGBUF, "sql", statement, "--data-dir", str(asked), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert all(len(line) > 1000 for line in islice(process.stdout, 299_000))
        used = peak_memory(process.pid)  # still there: what is left is more than a pipe holds
        assert sum(len(line) > 1000 for line in process.stdout) == 1_000
    assert process.returncode == 0
    assert used < 200_000_000


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
def test_ctrl_c_ends_an_answer_without_end_quietly(
    options: list[str], start: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    process = start(ENDLESS, *options)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert (process.returncode, said) == (130, b"")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
def test_a_reader_that_goes_away_ends_an_answer_without_end_and_the_query(
    options: list[str], start: Callable[..., "subprocess.Popen[bytes]"], clickhouse_server: ClickHouse
) -> None:
    process = start(ENDLESS, *options)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 141)
    running = "SELECT count() FROM system.processes WHERE query LIKE '%repeat(%' AND query NOT LIKE '%processes%'"
    wait_until(lambda: clickhouse_server.rows(running) == [(0,)], "the query has ended")


def test_an_error_in_the_midst_of_an_answer_comes_after_the_rows_before_it(asked: Path) -> None:
    statement = "SELECT throwIf(number = 3000000, 'enough') AS x FROM numbers(10000000)"
    failed = ringbuf("sql", statement, "--data-dir", str(asked), "--json")
    lines = failed.stdout.splitlines()
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
    assert "code 395" in failed.stderr
    assert "enough" in failed.stderr
    assert lines
    assert all(json.loads(line) == {"x": 0} for line in lines)
