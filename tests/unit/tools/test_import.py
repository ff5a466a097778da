"""`ringbuf import`: what an adapter makes of saved messages, checked or recorded."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ringbuf.launch.waiting import wait_until
from ringbuf.record.enumerations import Origin
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import Recorder
from ringbuf.tools.cli import main
from tests.checkout import ROOT
from tests.unit.strategies.ccxt_messages import SAVED, order, trade

FILL = order(filled=4.0, remaining=6.0, status="closed")
MESSAGES = [FILL, trade(), {"status": "open"}]
MAPPING = """
times = "ms"
[fields]
oid = "order_id"
pair = "symbol"
dir = "side"
amount = "quantity"
[words.side]
B = "buy"
"""
PACKED = gzip.compress(b"{}")
OWN = """
def updates(message):
    return [{"symbol": "X", "order_id": message["id"], "text": "price too low; unreadable: side up"}]
"""


@pytest.fixture(autouse=True)
def _in_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


def run(*arguments: str, code: int = 0, stdin: str | None = None) -> str:
    done = CliRunner().invoke(main, ["import", *arguments], input=stdin)
    assert done.exit_code == code, done.output
    return done.stdout if code < 2 else done.stderr


def checked(content: str, *arguments: str, name: str = "saved.jsonl", code: int = 0) -> Any:
    Path(name).write_text(content)
    return json.loads(run("--check", name, "--json", *arguments, code=code))


def lines(*messages: Any) -> str:
    return "\n".join(map(json.dumps, messages))


def test_the_document_shows_what_it_prints() -> None:
    Path("saved.jsonl").write_text(lines(*MESSAGES))
    document = (ROOT / "docs" / "TOOL.md").read_text()
    (shown,) = re.findall(r"    \$ ringbuf import --check saved.jsonl --adapter ccxt\n((?:(?:    .*)?\n)+)", document)
    printed = run("--check", "saved.jsonl", "--adapter", "ccxt", code=1)
    assert [line.removeprefix("    ") for line in shown.rstrip().splitlines()] == printed.rstrip().splitlines()


def test_all_saved_answers_are_kept() -> None:
    by_exchange: dict[str, list[Any]] = {}
    for saved in SAVED:
        by_exchange.setdefault(saved.exchange, []).append(saved.parsed)
    found = checked(json.dumps(by_exchange["gate"], default=str), "--adapter", "ccxt", "--exchange", "gate")
    assert (found["messages"], found["updates"], found["kept"], found["flagged"]) == (5, 5, True, [])
    assert {each["order"]: each["executed"] for each in found["orders"]} == {
        "402052804778": "1",
        "497245022561": "0.0735",
    }
    assert found["commissions"] == {"LTC": "0.000147", "USDT": "0.003421"}


def test_what_cannot_be_kept_has_its_line() -> None:
    content = lines(FILL, [trade(), trade(id="t2")], {"status": "open"}) + "\n\n{broken\n"
    found = checked(content, "--adapter", "ccxt", "--runs", "0", code=1)
    assert [(each["number"], each["kind"]) for each in found["refused"]] == [
        (3, "without one nobody can tell which order it is"),
        (5, "give what ccxt returned"),
    ]
    assert [(each["number"], each["what"]) for each in found["flagged"]] == [
        (1, "contradiction: closed, filled 4 of 10")
    ]
    assert (found["messages"], found["updates"]) == (5, 3)


def test_of_a_list_the_place_counts() -> None:
    found = checked(json.dumps([FILL, {"status": "open"}], indent=1), "--adapter", "ccxt", code=1)
    assert [each["number"] for each in found["refused"]] == [2]


def test_numbers_of_a_file_keep_their_digits() -> None:
    content = lines(order(id=9_007_199_254_740_993)).replace("10.0", "10.123456789012345678")
    (found,) = checked(content, "--adapter", "ccxt")["orders"]
    assert (found["order"], found["quantity"]) == ("9007199254740993", "10.123456789012345678")


def test_a_mapping_reads_csv() -> None:
    Path("mapping.toml").write_text(MAPPING)
    content = 'oid,pair,dir,amount\n7,"BTC,USD",B,0.5\n8,BTC,,1\n'
    found = checked(content, "--adapter", "mapping", "--mapping", "mapping.toml", name="saved.csv")
    assert [(each["order"], each["side"], each["quantity"]) for each in found["orders"]] == [
        ("8", "unknown", "1"),
        ("7", "buy", "0.5"),
    ]


@pytest.mark.parametrize("module", ["mine", "adapter"])
def test_a_function_of_ones_own_is_found_beside_the_file(module: str) -> None:
    Path(f"{module}.py").write_text(OWN)
    found = checked('{"id": "7"}', "--adapter", f"{module}:updates", "--account", "A7")
    assert [(each["account"], each["order"]) for each in found["orders"]] == [("A7", "7")]
    assert [each["what"] for each in found["flagged"]] == ["unreadable: side up"]


def test_json_that_is_nested_too_deep_is_a_message_that_cannot_be_kept() -> None:
    found = checked("[" * 100_000 + "\n" + lines(order()), "--adapter", "ccxt", code=1)
    assert [each["number"] for each in found["refused"]] == [1] and found["updates"] > 0


def test_only_the_end_of_a_line_ends_a_message() -> None:
    content = json.dumps(order(info={"note": "a\u2028b\x85"}), ensure_ascii=False) + "\n" + lines({"status": "open"})
    found = checked(content, "--adapter", "ccxt", code=1)
    assert [each["number"] for each in found["refused"]] == [2]


def test_an_open_quote_in_csv_is_an_error() -> None:
    Path("mapping.toml").write_text(MAPPING)
    Path("saved.csv").write_text('oid,pair\n7,"BTC\n' + "8,BTC\n" * 30_000)
    printed = run("--check", "saved.csv", "--adapter", "mapping", "--mapping", "mapping.toml", code=2)
    assert "saved.csv, line" in printed and "a quote that is open" in printed


@pytest.mark.parametrize("table", ["fields = 'oid'", "times = 5\n[fields]\noid = 'order_id'", "[fields]\noid = 5"])
def test_what_is_no_mapping_is_an_error(table: str) -> None:
    Path("mapping.toml").write_text(table)
    printed = run("--check", "-", "--adapter", "mapping", "--mapping", "mapping.toml", code=2, stdin="{}")
    assert "mapping.toml is no mapping" in printed


def test_messages_come_from_stdin_too() -> None:
    printed = run("--check", "-", "--adapter", "ccxt", stdin=lines(order()))
    assert printed.startswith("1 messages: 1 updates, 0 of them with a flag, 0 could not be kept")


def test_a_file_that_is_packed_is_read_as_what_is_in_it() -> None:
    Path("saved.jsonl.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + lines(order(), trade()).encode() + b"\r\n"))
    assert json.loads(run("--check", "saved.jsonl.gz", "--adapter", "ccxt", "--json"))["updates"] == 2
    Path("mapping.toml").write_text(MAPPING)
    Path("saved.csv.gz").write_bytes(gzip.compress(b"oid,pair,dir,amount\r\n7,BTC,B,0.5\r\n"))
    printed = run("--check", "saved.csv.gz", "--adapter", "mapping", "--mapping", "mapping.toml", "--json")
    assert [each["quantity"] for each in json.loads(printed)["orders"]] == ["0.5"]


@pytest.mark.parametrize("cut", [b"\x1f\x8b", PACKED[:-4], PACKED + b"{}"], ids=("begun", "cut", "with more behind it"))
def test_a_packed_file_that_was_cut_is_an_error(cut: bytes) -> None:
    Path("saved.jsonl.gz").write_bytes(cut)
    printed = run("--check", "saved.jsonl.gz", "--adapter", "ccxt", code=2)
    assert "saved.jsonl.gz cannot be unpacked" in printed


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(end: str) -> None:
    Path("saved.log").write_bytes(end.join(["no order", "nor this", lines(order())]).encode())
    found = json.loads(run("--check", "saved.log", "--adapter", "ccxt", "--json", code=1))
    assert [each["number"] for each in found["refused"]] == [1, 2]
    assert found["updates"] == 1


def test_bytes_that_are_no_text_are_escaped() -> None:
    Path("saved.jsonl").write_bytes(json.dumps(order(id="7")).encode() + b"\n{\xff}\n")
    (refused,) = json.loads(run("--check", "saved.jsonl", "--adapter", "ccxt", "--json", code=1))["refused"]
    assert refused["message"] == "{\\xff}"


def test_pages_that_depend_on_the_order_of_messages_are_a_problem() -> None:
    content = lines(order(price=5.0), order(price=6.0))
    found = checked(content, "--adapter", "ccxt", code=1)
    assert not found["refused"]
    assert found["different"][0]["differences"] == ["venue/account/BTC/USDT/o1: price 5 instead of 6"]
    printed = run("--check", "saved.jsonl", "--adapter", "ccxt", code=1)
    assert "the end is another one: any order" in printed


def test_no_message_can_steer_the_terminal() -> None:
    fee = {"cost": 0.1, "currency": "U\x1b[2J"}
    content = [order(id="o\x1b[2J", price=5.0), order(id="o\x1b[2J", price=6.0), trade(fee=fee), {"status": "\x1b[2J"}]
    Path("saved.jsonl").write_text(lines(*content))
    printed = run("--check", "saved.jsonl", "--adapter", "ccxt", code=1)
    assert printed.count(r"o\x1b[2J") >= 2
    assert r"commissions 0.1 U\x1b[2J" in printed
    assert "\x1b" not in printed


def test_nothing_to_keep_is_a_problem() -> None:
    found = checked('{"event": "subscribe"}', "--adapter", "okx", code=1)
    assert (found["silent"], found["updates"], found["kept"]) == ([1], 0, False)


RECORD = ("saved.jsonl", "--adapter", "ccxt", "--exchange", "gate", "--account", "A1")


def test_what_is_recorded_is_a_look_back_and_the_rest_is_listed() -> None:
    Path("saved.jsonl").write_text(lines(*MESSAGES, {"event": "pong"}))
    done = json.loads(run(*RECORD, "--strategy", "mm", "--ring", "old", "--json", code=1))
    assert (done["messages"], done["updates"], done["silent"], done["unread"]) == (4, 2, [], 2)
    assert [each["number"] for each in done["refused"]] == [3, 4]
    with Consumer.open("old") as consumer:
        (records,) = consumer.poll()
        told = [(each["exchange"], each["account"], each["strategy"], each["origin"]) for each in records]
    assert told == [(b"gate", b"A1", b"mm", Origin.LOOKBACK)] * 2


def test_a_full_ring_is_waited_for_and_nothing_is_dropped() -> None:
    Recorder.open("import", capacity=4).close()
    Path("saved.jsonl").write_text(lines(*(order(id=str(number)) for number in range(50))))
    program = "from ringbuf.tools.cli import main; main()"
    importing = subprocess.Popen(
        [sys.executable, "-c", program, "import", *RECORD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    read = list[bytes]()
    with Consumer.open("import") as consumer:
        wait_until(lambda: consumer.lag == 4, "the ring is full", 60)
        while len(read) < 50:
            for records in consumer.poll(3):
                read += [bytes(each["order_id"]) for each in records]
                consumer.acknowledge(int(records[-1]["seq"]))
    printed, said = importing.communicate(timeout=60)
    assert (importing.returncode, read) == (0, [b"%d" % number for number in range(50)])
    assert printed.startswith("50 messages: 50 updates recorded in ring 'import', 0 could not be kept")
    assert said == "ring 'import' is full; this goes on when a writer has read some of it\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["saved.jsonl", "--adapter", "ccxt"], "positions are kept by exchange and account: give --exchange and"),
        (["--check", "saved.jsonl", "--adapter", "nix"], "there is no adapter 'nix'; give one of binance, bybit, ccxt"),
        (["--check", "saved.jsonl", "--adapter", "nix:nix"], "'nix' cannot be imported: No module named 'nix'"),
        (["--check", "saved.jsonl", "--adapter", "json:nix"], "json has no 'nix'"),
        (
            ["--check", "saved.jsonl", "--adapter", ":nix"],
            "'' cannot be imported: ValueError: Empty module name",
        ),
        (["--check", "saved.jsonl", "--adapter", "torn:nix"], "'torn' cannot be imported: SyntaxError: '(' was never"),
        (["--check", "saved.jsonl", "--adapter", "value"], "value has 0 adapters"),
        (["--check", "saved.jsonl", "--adapter", "mapping"], "the adapter `mapping` needs --mapping FILE; see"),
        (["--check", "saved.jsonl", "--adapter", "ccxt", "--mapping", "saved.jsonl"], "saved.jsonl is no mapping"),
        (["--check", "empty", "--adapter", "ccxt"], "empty has no messages"),
        (["--check", "bad.csv", "--adapter", "ccxt"], "bad.csv, line 2: more cells than the first row has names"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str) -> None:
    Path("saved.jsonl").write_text(lines(order()))
    Path("torn.py").write_text("nix = (\n")
    Path("empty").write_text(" \n")
    Path("bad.csv").write_text("a,b\n1,2,3\n")
    said = run(*arguments, code=2)
    assert said.startswith(f"ringbuf: {message}")
    assert said.count("\n") == 1
