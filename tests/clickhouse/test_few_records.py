"""Few records go out as rows; what is in the columns is what the server makes of their bytes."""

import numpy as np
import pytest

from ringbuf.errors import SinkUnavailable
from ringbuf.record.execution import EXECUTION
from ringbuf.record.seqs import Range
from ringbuf.sinks.clickhouse import forms
from ringbuf.sinks.clickhouse.few_records import FEW, FewRecords
from tests.clickhouse.databases import Database, Records, executions
from tests.clickhouse.test_tables import check_columns, random_executions


def usual(count: int, seed: int) -> Records:
    """Random records whose words are words, and whose texts are texts."""
    draw = np.random.default_rng(seed)
    records = random_executions(count, seed)
    for name, words in EXECUTION.words.items():
        records[name] = draw.choice(np.array([0, *map(int, words)], "u1"), count)
    for name, (dtype, _) in EXECUTION.fields.items():
        if dtype.kind == "S":
            texts = ["", "x" * dtype.itemsize, "a\0b", "\0leading", "žluťoučký 🐎"]
            encoded = [each.encode()[: dtype.itemsize].decode(errors="ignore").encode() for each in texts]
            records[name] = [encoded[int(number)] for number in draw.integers(len(encoded), size=count)]
    return records


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each insert of few records whether they went out as rows."""
    found: list[bool] = []
    rows = FewRecords.rows

    def noting(few: FewRecords, body: list[memoryview]) -> bytes | None:
        told = rows(few, body)
        found.append(told is not None)
        return told

    monkeypatch.setattr(FewRecords, "rows", noting)
    return found


def test_every_field_is_in_its_column(store: Database) -> None:
    store.set_up()
    for portion in range(4):
        records = usual(50, portion)
        records["session"] = portion
        store.insert(records, pieces=3, few=None)
    everything = np.concatenate([usual(50, portion) for portion in range(4)])
    everything["session"] = np.repeat(np.arange(4, dtype="<u8"), 50)
    check_columns(store, EXECUTION, everything)


@pytest.mark.parametrize("few", [0, 100])
def test_both_forms_come_to_the_same(
    on_server: Database, monkeypatch: pytest.MonkeyPatch, sent: list[bool], few: int
) -> None:
    monkeypatch.setattr(forms, "FEW", few)
    on_server.set_up()
    records = usual(100, seed=7)
    on_server.insert(records, few=None)
    assert sent == [True] * (few > 0)
    check_columns(on_server, EXECUTION, records)


@pytest.mark.parametrize(("field", "value"), [("side", 200), ("symbol", b"\xff"), ("text", b"\xed\xa0\x80")])
def test_what_is_unusual_is_left_to_the_server(
    on_server: Database, sent: list[bool], field: str, value: object
) -> None:
    on_server.set_up()
    records = usual(3, seed=8)
    records[field][1] = value
    on_server.insert(records, few=None)
    assert sent == [False]
    check_columns(on_server, EXECUTION, records)


def test_more_than_a_few_go_out_as_they_are(on_server: Database, sent: list[bool]) -> None:
    on_server.set_up()
    on_server.insert(usual(FEW + 1, seed=9), few=None)
    assert sent == []


def test_a_text_of_which_the_owner_changes_the_dictionary_is_sent_again_and_never_called_bad(
    on_server: Database, sent: list[bool]
) -> None:
    on_server.set_up()
    on_server.insert(executions([{"symbol": "one"}], session=1), few=None)
    on_server.command(f"ALTER TABLE {on_server.name()}.executions MODIFY COLUMN symbol String")
    again = executions([{"symbol": "two"}], session=1, first_seq=1)
    with pytest.raises(SinkUnavailable, match="its table was not as it should be and is mended"):
        on_server.insert(again, few=None)
    assert on_server.missing(Range(1, 0, 2)) == [Range(1, 1, 1)]
    on_server.insert(again, few=None)
    assert sent == [True] * 3
    found = on_server.rows(f"SELECT symbol FROM {on_server.name()}.executions ORDER BY seq")
    assert found == [("one",), ("two",)]
