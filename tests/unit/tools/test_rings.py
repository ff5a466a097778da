"""`ls`, `show`, `tail` and `rm` on real rings."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ringbuf import Consumer, Producer, Schema
from ringbuf.record.execution import EXECUTION
from ringbuf.ring import layout
from ringbuf.ring.registry import SHARED_MEMORY, ring_names
from ringbuf.strategies import Recorder
from ringbuf.tools.cli import main
from tests.checkout import ROOT

SIGNALS = Schema.define("signals", [("captured_ns", "i8"), ("bid", "f8"), ("venue", "S8")])
BARE = Schema.define("bare", [("value", "i8")])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def run_json(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def segment(namespace: str, name: str) -> Path:
    return SHARED_MEMORY / f"ringbuf.{namespace}.{name}"


# ls


def test_an_empty_namespace_gives_a_hint_and_no_table(namespace: str) -> None:
    result = run("ls")
    assert result.exit_code == 0
    assert f"no ring in namespace '{namespace}'" in result.stdout
    assert "ringbuf demo" in result.stdout
    assert run_json("ls") == {"namespace": namespace, "rings": [], "damaged": []}


def test_ls_shows_every_ring_with_its_counters_and_processes(namespace: str) -> None:
    with Recorder.open("mm-btc", capacity=4) as recorder, Producer.open("signals", SIGNALS, capacity=8) as signals:
        bound = recorder.bind(exchange="deribit", account="A1", symbol="BTC", strategy="mm")
        for _ in range(5):
            bound.fill(side="buy", last_price=1.5, last_quantity=2)
        with Consumer.open("mm-btc") as consumer:
            consumer.poll()
            consumer.acknowledge(1)
            alive = run_json("ls")["rings"][0]
        signals.append(captured_ns=1, bid=1.0)
        signals.close()
        rings = run_json("ls")["rings"]
        table = run("ls")
    assert alive["consumer"] == {"pid": os.getpid(), "state": "alive"}
    assert rings[0] | {"last_record_ns": 0} == {
        "name": "mm-btc",
        "schema": {"name": "executions", "version": EXECUTION.version},
        "capacity": 4,
        "head": 4,
        "tail": 2,
        "lag": 2,
        "dropped": 1,
        "rejected": 0,
        "flagged": 0,
        "recreated": 0,
        "producer": {"pid": os.getpid(), "state": "alive"},
        "consumer": {"pid": os.getpid(), "state": "gone"},
        "last_record_ns": 0,
        "size": layout.HEADER_SIZE + 4 * EXECUTION.record_size,
    }
    assert rings[0]["last_record_ns"] > 1_700_000_000_000_000_000
    assert rings[1]["last_record_ns"] == 1
    assert (rings[1]["producer"]["state"], rings[1]["consumer"]) == ("closed", {"pid": None, "state": "none"})
    header, first, second = table.stdout.splitlines()
    assert header.split()[:3] == ["NAME", "SCHEMA", "LAG"]
    assert first.split()[:9] == ["mm-btc", "executions", "2", "4", "2", "4", "1", "0", "0"]
    assert second.split()[:2] == ["signals", "signals"]


def test_a_ring_without_records_or_without_time_has_no_age() -> None:
    with Producer.open("empty", SIGNALS, capacity=2), Producer.open("bare", BARE, capacity=2) as bare:
        bare.append(value=1)
        assert [ring["last_record_ns"] for ring in run_json("ls")["rings"]] == [None, None]


def test_what_is_no_intact_ring_is_listed_with_its_error_among_the_others(namespace: str) -> None:
    Producer.open("good", SIGNALS, capacity=2).close()
    segment(namespace, "foreign").write_bytes(b"no ring at all")
    segment(namespace, "unfinished").touch()
    for name, offset in (("old", 8), ("torn", None), ("cursors", layout.TAIL)):
        Producer.open(name, SIGNALS, capacity=2).close()
        image = bytearray(segment(namespace, name).read_bytes())
        if offset is None:
            image = image[:-1]
        else:
            image[offset : offset + 4] = struct.pack("<I", 7)
        segment(namespace, name).write_bytes(image)
    result = run("ls", "--json")
    assert result.exit_code == 1
    listed = json.loads(result.stdout)
    assert [ring["name"] for ring in listed["rings"]] == ["good"]
    assert {each["name"]: each["kind"] for each in listed["damaged"]} == {
        "cursors": "RingCorrupt",
        "foreign": "RingCorrupt",
        "old": "RingVersion",
        "torn": "RingCorrupt",
        "unfinished": "RingIncomplete",
    }
    assert all(each["error"] and each["hint"] for each in listed["damaged"])
    table = run("ls")
    assert table.exit_code == 1
    assert "good" in table.stdout
    assert "layout version 7" in table.stdout


def test_every_key_of_the_json_is_documented(namespace: str) -> None:
    document = (ROOT / "docs" / "TOOL.md").read_text()
    Producer.open("signals", SIGNALS, capacity=8).close()
    segment(namespace, "foreign").write_bytes(b"no ring at all")
    listed = json.loads(run("ls", "--json").stdout)
    printed = [listed, listed["rings"][0], listed["damaged"][0], run_json("show", "signals")]
    printed += [
        printed[-1]["schema"],
        printed[-1]["schema"]["fields"][0],
        json.loads(run("show", "foreign", "--json").stdout),
    ]
    printed.append(run_json("rm", "signals"))
    printed.append(run_json("rm", "--drained"))
    assert [key for each in printed for key in each if f'"{key}":' not in document] == []


def test_the_example_of_a_ring_is_one_of_executions_as_they_are_now() -> None:
    example = f'"version": {EXECUTION.version}, "id": {EXECUTION.schema_id}, "record_size": {EXECUTION.record_size}'
    assert example in (ROOT / "docs" / "TOOL.md").read_text()


# show


def test_show_tells_everything_about_a_ring(namespace: str) -> None:
    with Producer.open("signals", SIGNALS, capacity=8) as producer:
        producer.append(captured_ns=1, bid=1.0)
        ring = run_json("show", "signals")
        text = run("show", "signals").stdout
        session = producer.session
    assert ring["session"] == session
    assert int(ring["session_hex"], 16) == session
    assert ring["namespace"] == namespace
    assert ring["path"] == str(segment(namespace, "signals"))
    assert (ring["head"], ring["tail"], ring["oldest"], ring["high_water"]) == (1, 0, 0, 0)
    assert ring["locks"] == {"producer": True, "consumer": False}
    assert ring["created_ns"] <= ring["attached_ns"]
    assert (ring["closed_ns"], ring["heartbeat_ns"]) == (0, 0)
    assert ring["layout"] == {"version": layout.VERSION, "header_size": layout.HEADER_SIZE}
    assert ring["schema"]["record_size"] == SIGNALS.record_size
    assert ring["schema"]["id"] == SIGNALS.schema_id
    assert [(field["name"], field["format"], field["meaning"]) for field in ring["schema"]["fields"]] == [
        ("session", "<u8", "number"),
        ("seq", "<u8", "number"),
        ("captured_ns", "<i8", "time"),
        ("bid", "<f8", "number"),
        ("venue", "|S8", "text"),
    ]
    assert f"{session:016x} ({session})" in text
    assert f"({ring['created_ns']} ns, " in text


def test_show_lists_the_words_of_enumerations() -> None:
    Recorder.open("mm", capacity=2).close()
    ring = run_json("show", "mm")
    assert ring["schema"]["words"]["side"] == {"0": "unknown", "1": "buy", "2": "sell"}
    assert "enumeration: 0 unknown, 1 buy, 2 sell" in run("show", "mm").stdout


def test_of_a_damaged_ring_show_gives_what_can_be_read_and_the_error(namespace: str) -> None:
    with Producer.open("signals", SIGNALS, capacity=8) as producer:
        producer.append(captured_ns=1, bid=1.0)
    image = bytearray(segment(namespace, "signals").read_bytes())
    image[24] ^= 0xFF
    segment(namespace, "signals").write_bytes(image)
    result = run("show", "signals", "--json")
    assert result.exit_code == 1
    remains = json.loads(result.stdout)
    assert remains["size"] == len(image)
    assert remains["counters"]["head"] == 1
    assert bytes.fromhex(remains["header"]) == image[: len(remains["header"]) // 2]
    assert result.stderr.startswith("ringbuf: ring 'signals' has a damaged header")
    assert "head" in run("show", "signals").stdout


@pytest.mark.parametrize("command", ["show", "tail", "rm"])
def test_a_wrong_name_is_answered_with_the_names_that_come_close(command: str) -> None:
    Producer.open("mm-btc", SIGNALS, capacity=2).close()
    result = run(command, "mm-bct")
    assert result.exit_code == 1
    assert result.stderr.startswith("ringbuf: no ring 'mm-bct' in namespace ")
    assert result.stderr.endswith("; did you mean 'mm-btc'?\n")


# tail


def lines(*arguments: str) -> list[str]:
    result = run("tail", *arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


def test_tail_gives_the_last_records_and_no_more_than_there_are() -> None:
    with Producer.open("signals", SIGNALS, capacity=4) as producer:
        assert lines("signals") == []
        for number in range(4):
            producer.append(captured_ns=number + 1, bid=number)
        assert [line.split()[1] for line in lines("signals", "-n", "2")] == ["#2", "#3"]
        assert [line.split()[1] for line in lines("signals")] == ["#0", "#1", "#2", "#3"]
        assert lines("signals", "-n", "0") == []


def test_tail_gives_what_the_ring_still_has_of_records_already_stored() -> None:
    with Producer.open("signals", SIGNALS, capacity=4) as producer, Consumer.open("signals") as consumer:
        for number in range(10):
            producer.append(captured_ns=number + 1)
            consumer.poll()
            consumer.acknowledge(number)
        assert [line.split()[1] for line in lines("signals")] == ["#7", "#8", "#9"]


def test_tail_as_json_is_one_object_per_record() -> None:
    with Producer.open("signals", SIGNALS, capacity=4) as producer:
        producer.append(captured_ns=5, bid=0.1, venue="okx")
        producer.append(captured_ns=6)
        session = producer.session
    assert [json.loads(line) for line in lines("signals", "--json")] == [
        {"session": session, "seq": 0, "captured_ns": 5, "bid": 0.1, "venue": "okx"},
        {"session": session, "seq": 1, "captured_ns": 6, "bid": None, "venue": ""},
    ]


def test_tail_shows_only_the_fields_asked_for() -> None:
    with Producer.open("signals", SIGNALS, capacity=4) as producer:
        producer.append(captured_ns=5, bid=0.1, venue="okx")
        assert lines("signals", "--field", "venue", "--field", "bid") == ["#0  venue=okx  bid=0.1"]
        assert json.loads(lines("signals", "--json", "--field", "venue")[0]) == {"venue": "okx"}


@pytest.mark.parametrize("options", [[], ["-n", "0"], ["-n", "0", "-f"], ["--json"]], ids=" ".join)
def test_tail_notices_a_wrong_field_whether_there_is_a_record_or_not(options: list[str]) -> None:
    with Producer.open("signals", SIGNALS, capacity=4):
        result = run("tail", "signals", "--field", "venu", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "ringbuf: schema 'signals' has no field 'venu'; did you mean 'venue'?\n"


# rm


def test_rm_refuses_while_a_producer_lives_or_records_are_unread() -> None:
    with Producer.open("signals", SIGNALS, capacity=4) as producer:
        refused = run("rm", "signals")
        assert refused.exit_code == 1
        assert f"has a live producer, process {os.getpid()}" in refused.stderr
        producer.append(captured_ns=1)
    refused = run("rm", "signals")
    assert refused.exit_code == 1
    assert "holds 1 unread records" in refused.stderr
    assert ring_names() == ["signals"]


def test_rm_removes_a_ring_that_is_read_to_its_end(namespace: str) -> None:
    with Producer.open("signals", SIGNALS, capacity=4) as producer, Consumer.open("signals") as consumer:
        producer.append(captured_ns=1)
        consumer.poll()
        consumer.acknowledge(0)
    assert run_json("rm", "signals") == {
        "namespace": namespace,
        "removed": "signals",
        "unread": 0,
        "held": False,
    }
    assert ring_names() == []


def test_rm_with_force_removes_anything_and_says_what_is_lost(namespace: str) -> None:
    with Producer.open("signals", SIGNALS, capacity=4) as producer:
        producer.append(captured_ns=1)
    assert run("rm", "signals", "--force").stdout == "removed ring 'signals'; unread records lost: 1\n"
    segment(namespace, "foreign").write_bytes(b"no ring at all")
    assert run("rm", "foreign").exit_code == 1
    assert run_json("rm", "foreign", "--force")["unread"] is None
    assert ring_names() == []


def test_rm_with_force_says_that_a_ring_whose_producer_lives_comes_back() -> None:
    with Producer.open("signals", SIGNALS, capacity=4) as producer:
        producer.append(captured_ns=1)
        said = run("rm", "signals", "--force").stdout
        assert said == f"removed ring 'signals'; process {os.getpid()} holds it and makes it anew\n"
        assert producer.ensure_named()
        with Consumer.open("signals") as consumer:
            assert consumer.lag == 1
        shown = run_json("rm", "signals", "--force")
        assert (shown["unread"], shown["held"]) == (0, True)


def test_rm_drained_removes_what_nobody_misses_and_nothing_else(namespace: str) -> None:
    for name in ("read", "never-used", "unread", "living"):
        with Producer.open(name, SIGNALS, capacity=4) as producer:
            if name != "never-used":
                producer.append(captured_ns=1)
    for name in ("read", "living"):
        with Consumer.open(name) as consumer:
            consumer.poll()
            consumer.acknowledge(0)
    segment(namespace, "foreign").write_bytes(b"no ring at all")
    size = segment(namespace, "read").stat().st_size
    with Producer.open("living", SIGNALS):
        assert run_json("rm", "--drained") == {
            "namespace": namespace,
            "removed": [{"name": "never-used", "size": size}, {"name": "read", "size": size}],
            "freed": 2 * size,
        }
        assert ring_names() == ["foreign", "living", "unread"]
        assert run("rm", "--drained").stdout == "0 rings removed, 0 B freed\n"


@pytest.mark.parametrize("arguments", [[], ["signals", "--drained"], ["--drained", "--force"]])
def test_rm_takes_a_name_or_drained(arguments: list[str]) -> None:
    result = run("rm", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("ringbuf: give the NAME of a ring, or --drained; see ")
