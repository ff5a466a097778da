"""The everyday questions on the command line: what is printed, and how it ends."""

import csv
import io
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.port import free_port
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.sinks.clickhouse.views.parameterised import POSITIONS_AT
from ringbuf.sinks.clickhouse.views.positions import FILLS
from tests.clickhouse.databases import Database, writer_was_here
from tests.clickhouse.test_views import FILL, ORDER, record
from tests.command import RINGBUF, ringbuf
from tests.memory import peak_memory

BEGIN_NS = 1_782_907_200_000_000_000
AMOUNT = "1.123456789012345678"
COMMANDS = ["fills", "orders", "positions", "fees"]
MANY = 80_000


@pytest.fixture
def many_fills(ready: Database) -> None:
    """Very many fills, straight into their table: this is about the command."""
    columns = ", ".join(f"CAST({value(name, type_)}, {literal(type_)}) AS {name}" for name, type_ in FILLS.items())
    names = ", ".join(FILLS)
    ready.command(
        f"INSERT INTO {ready.name()}.unique_fills ({names}, version)"
        f" SELECT {names}, 1 FROM (SELECT {columns} FROM numbers({MANY}))"
    )


def value(name: str, type_: str) -> str:
    """What the many fills have in a column."""
    if name == "exchange_ns":
        return f"fromUnixTimestamp64Nano(toInt64({BEGIN_NS} + number), 'UTC')"
    return {"text": "repeat('x', 3000)", "trade_id": "toString(number)", "seq": "number"}.get(
        name, f"defaultValueOfTypeName({literal(type_)})"
    )


def answered(*arguments: str) -> str:
    printed = ringbuf(*arguments)
    assert (printed.returncode, printed.stderr) == (0, "")
    return printed.stdout


# What is printed


def test_a_table_a_csv_and_json_show_the_same_rows(ready: Database) -> None:
    big = {"last_quantity": float(AMOUNT), "exact": f"q={AMOUNT}", "commission": -0.5, "commission_currency": "USDT"}
    record(ready, {**FILL, **big, "exchange_ns": BEGIN_NS + 1}, {**FILL, "trade_id": 't"2', "text": "a,\nb"})
    title, first, second = answered("fills").splitlines()
    assert title.split()[:7] == ["TIME", "EXCHANGE", "ACCOUNT", "SYMBOL", "STRATEGY", "SIDE", "QUANTITY"]
    assert first.split()[0] == "1970-01-01T00:00:00.000001000Z"
    assert "no venue time" in first
    assert second.split()[0] == "2026-07-01T12:00:00.000000001Z"
    assert f"{AMOUNT}  60000.5  -" in second
    assert "-0.5 USDT" in second
    by_json = [json.loads(line) for line in answered("fills", "--json").splitlines()]
    by_csv = list(csv.DictReader(io.StringIO(answered("fills", "--csv"))))
    assert [*by_csv[0]] == [*by_json[0]] == [*FILLS]
    assert [row["trade_id"] for row in by_json] == [row["trade_id"] for row in by_csv] == ['t"2', "t-1"]
    assert by_csv[0]["text"] == by_json[0]["text"] == "a,\nb"
    assert by_csv[1]["last_quantity"] == by_json[1]["last_quantity"] == AMOUNT
    assert (by_csv[1]["exchange_ns"], by_json[1]["exchange_ns"]) == ("2026-07-01T12:00:00.000000001Z", BEGIN_NS + 1)
    assert (by_csv[0]["exchange_ns"], by_json[0]["exchange_ns"]) == ("", 0)
    assert (by_csv[0]["commission"], by_json[0]["commission"]) == ("", None)
    assert (by_csv[0]["simulated"], by_json[0]["simulated"]) == ("false", False)


@pytest.mark.parametrize("command", [*COMMANDS, "profit"])
def test_while_many_stored_records_are_not_derived_an_answer_says_that_it_lacks_them(
    ready: Database, data_dir: Path, command: str
) -> None:
    """As while a database of an earlier release is brought over."""
    record(ready, FILL)
    complete = answered(command, "--json")
    status = data_dir / "status.json"
    for behind, said in ((10_000, ""), (1_234_567, "1,234,567 stored records are not in this answer yet")):
        status.write_text(json.dumps(json.loads(status.read_text()) | {"derivation": {"behind": behind, "late": 0}}))
        found = ringbuf(command, "--json")
        assert (found.returncode, found.stdout) == (0, complete)
        assert found.stderr.startswith(said) and found.stderr.count("\n") == bool(said)


def test_csv_keeps_every_end_of_a_line_that_a_text_has(ready: Database) -> None:
    """Who reads CSV takes a bare carriage return for the end of a row, as Python's own reader does."""
    texts = ["a\rb", "\r", "a\r\n", "\n", "a\n\rb\r\n", ' "', "ü\u2028"]
    record(ready, *({**FILL, "trade_id": str(number), "text": text} for number, text in enumerate(texts)))
    printed = subprocess.run([RINGBUF, "fills", "--csv"], stdout=subprocess.PIPE, check=True).stdout.decode()
    found = {row["trade_id"]: row["text"] for row in csv.DictReader(io.StringIO(printed, newline=""))}
    assert [found[str(number)] for number in range(len(texts))] == texts
    assert printed.endswith("\n") and not printed.endswith("\r\n")


def test_csv_and_json_are_utf_8_in_every_locale(ready: Database) -> None:
    record(ready, {**FILL, "symbol": "日😀", "strategy": "ž", "account": "é"})
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    for arguments in (["fills", "--csv"], ["fills", "--json"], ["instruments", "--json"]):
        printed = subprocess.run([RINGBUF, *arguments], stdout=subprocess.PIPE, check=True, env=environment).stdout
        assert "日😀" in printed.decode(), arguments


def test_each_question_has_its_options_and_its_table(ready: Database) -> None:
    paid = {"commission": 0.25, "commission_currency": "USDT", "last_quantity": 0.5}
    record(ready, *({**FILL, **paid, "trade_id": f"t-{place}", "exchange_ns": BEGIN_NS + place} for place in range(4)))
    record(ready, {**ORDER, "order_status": "new", "quantity": 2.0, "order_id": "o-7"}, {**ORDER, "symbol": "another"})
    assert answered("fills", "--last", "2").splitlines()[1].split()[-2:] == ["t-2", "-"]
    assert len(answered("fills", "--until", "2026-07-01T12:00:00.000000001Z").splitlines()) == 2
    assert "c-1" in answered("orders", "--id", "o-7")
    assert len(answered("orders", "--open", "--symbol", "BTC*", "--account", "A?").splitlines()) == 2
    position = answered("positions", "--symbol", "BTC-PERPETUAL", "--strategy", "mm").splitlines()[1]
    assert position.split()[4:] == [
        "-",
        "mm",
        "2",
        "2",
        "0",
        "0",
        "0",
        "4",
        "1",
        "USDT",
        "2026-07-01T12:00:00.000000003Z",
        "-",
    ]
    (line,) = answered("positions", "--at", str(BEGIN_NS + 1), "--json").splitlines()
    position = json.loads(line)
    assert [*position] == [*POSITIONS_AT]
    assert (position["quantity"], position["commissions"]) == ("1", {"USDT": "0.5"})
    (row,) = csv.DictReader(io.StringIO(answered("positions", "--at", "2026-07-01T12:00:00", "--csv")))
    assert row["commissions"] == '{"USDT": "0.25"}'
    title, total = answered("fees").splitlines()
    assert (title.split(), total.split()) == (
        ["DAY", "CURRENCY", "AMOUNT", "FILLS", "NOTE"],
        ["2026-07-01", "USDT", "1", "4", "-"],
    )
    title, total = answered("fees", "--by", "symbol", "--by", "strategy", "--since", "2026-07-01").splitlines()
    assert total.split() == ["BTC-PERPETUAL", "mm", "USDT", "1", "4", "-"]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_rows_are_no_problem(ready: Database, command: str) -> None:
    assert answered(command) == f"(no {command})\n"
    assert answered(command, "--symbol", "nothing", "--json") == ""
    (header,) = answered(command, "--csv").splitlines()
    assert len(header.split(",")) > 3


def test_through_a_writer_and_embedded_the_answer_is_the_same(data_dir: Path) -> None:
    from tests.writer_process import WriterProcess

    with WriterProcess(data_dir) as writer:
        writer.wait_running()
        assert answered("fills", "--data-dir", str(data_dir)) == "(no fills)\n"
    assert answered("positions", "--at", "1h", "--data-dir", str(data_dir)) == "(no positions)\n"


# Very many rows


@pytest.mark.parametrize("style", [[], ["--csv"], ["--json"]], ids=["table", "csv", "json"])
def test_the_memory_for_an_answer_does_not_grow_with_it(many_fills: None, style: list[str]) -> None:
    """Of the command: 240 MB of rows go through it."""
    with subprocess.Popen([RINGBUF, "fills", *style], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        head = sum(1 for _ in islice(process.stdout, MANY - 2_000))
        used = peak_memory(process.pid)
        rest = [*process.stdout]
    assert process.returncode == 0
    assert head + len(rest) == MANY + (style != ["--json"])
    assert str(MANY - 1).encode() in rest[-1]
    assert used < 200_000_000


# How it ends


@pytest.fixture
def start(many_fills: None) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a command; it does not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([RINGBUF, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


@pytest.mark.parametrize("style", [[], ["--csv"], ["--json"]], ids=["table", "csv", "json"])
def test_ctrl_c_and_a_reader_that_goes_away_end_an_answer_quietly(
    style: list[str], start: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    interrupted, unread = start("fills", *style), start("fills", *style)
    for process in (interrupted, unread):
        assert process.stdout is not None
        process.stdout.readline()
    interrupted.send_signal(signal.SIGINT)
    assert (interrupted.communicate()[1], interrupted.returncode) == (b"", 130)
    assert unread.stdout is not None and unread.stderr is not None
    unread.stdout.close()
    assert (unread.stderr.read(), unread.wait()) == (b"", 141)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_is_not_there_is_one_line_and_exit_code_1(data_dir: Path, command: str) -> None:
    writer_was_here(data_dir, ClickHouse(f"http://127.0.0.1:{free_port()}"), "ringbuf")
    failed = ringbuf(command, "--data-dir", str(data_dir), "--json")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert failed.stderr.startswith("ringbuf: database ringbuf of ClickHouse at http://127.0.0.1")


def test_a_view_that_is_missing_is_said_with_what_makes_it(ready: Database) -> None:
    ready.command(f"DROP VIEW {ready.name()}.fees")
    failed = ringbuf("fees")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert failed.stderr.endswith("; if it is a view of ringbuf, a writer of this release creates it\n")


def test_a_database_of_an_earlier_release_is_said_with_what_brings_it_over(ready: Database) -> None:
    ready.command(f"CREATE OR REPLACE VIEW {ready.name()}.positions AS SELECT 'BTC' AS symbol, 1 AS quantity")
    failed = ringbuf("positions")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert failed.stderr.endswith("; if it is a column of ringbuf, a writer of this release brings the database over\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fills", "--since", "soon"], "'soon' is no time and no duration"),
        (["fills", "--since", "1h", "--until", "2h"], "is empty"),
        (["fills", "--last", "-1"], "-1 is not in the range"),
        (["fills", "--last", "1" + "0" * 20], "is not in the range 0<=x<="),
        (["fills", "--timeout", "nan"], "'nan' is no number"),
        (["sql", "SELECT 1", "--timeout", "inf"], "inf is not in the range 0<x<=1000000"),
        (["instruments", "--timeout", "1e10"], "10000000000.0 is not in the range"),
        (["fills", "--csv", "--json"], "--csv and --json exclude each other"),
        (["fills", "--at", "1h"], "no such option '--at'"),
        (["positions", "--since", "1h"], "no such option '--since'"),
        (["fees", "--by", "year"], "'year' is not one of"),
        (["orders", "--id"], "'--id' requires an argument"),
        (["fills", "--symbol", "\udcff"], "write it in UTF-8"),
        (["orders", "--id", "\udcff"], "write it in UTF-8"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(ready: Database, arguments: list[str], message: str) -> None:
    failed = ringbuf(*arguments)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (2, "", 1)
    assert message.casefold() in failed.stderr.casefold()
