"""What a backlog brings is derived after what comes later, and not while the backlog is being stored."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.writer.derive import derivation
from ringbuf.writer.derive.derivation import Derivation
from ringbuf.writer.derive.deriver import Deriver
from ringbuf.writer.derive.folding import Folding
from ringbuf.writer.problems import Problems
from tests.clickhouse.databases import Database, executions, server_of
from tests.clickhouse.test_rules import BASE

BACKLOG, LIVE = SeqSet([Range(1, 0, 30)]), SeqSet([Range(1, 30, 5)])


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records were derived, each time."""
    found: list[int] = []
    derive = Deriver.derive

    def counted(deriver: Deriver, records: SeqSet, *, again: bool = False) -> None:
        found.append(records.count)
        derive(deriver, records, again=again)

    monkeypatch.setattr(Deriver, "derive", counted)
    return found


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows each time when a derivation finds nothing to do."""
    found: list[None] = []
    monkeypatch.setattr(derivation, "REQUEST_SECONDS", 0.01)
    monkeypatch.setattr(derivation, "GIVES_WAY_SECONDS", 3_600.0)
    monkeypatch.setattr(Deriver, "note", lambda _: found.append(None))
    return found


@pytest.fixture
def made(
    on_server: Database, clickhouse_server: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Derivation]:
    """A derivation that has not begun, and that finds out nothing but what it is told."""
    monkeypatch.setattr(Derivation, "_find_left", lambda *_: None)
    made = Derivation(
        lambda: ClickHouseSink(server_of(clickhouse_server), on_server.name()), tmp_path / "rebuild", Problems()
    )
    yield made
    made.give_way(to_backlog=False)
    assert made.finish(time.monotonic() + 60, time.monotonic() + 120)


@pytest.fixture
def stored(on_server: Database) -> Callable[[], int]:
    """Stores all records; how many fills there are is then asked."""
    on_server.set_up()
    fill = {**BASE, "exec_type": "fill", "side": "buy", "last_quantity": 1.0, "last_price": 2.0}
    rows = [{**fill, "order_id": f"o{number // 2}", "trade_id": f"t{number}"} for number in range(35)]
    on_server.insert(executions(rows, session=1), few=None)
    return lambda: int(on_server.rows(f"SELECT count() FROM {on_server.name()}.fills")[0][0])


def test_what_comes_later_is_derived_before_a_backlog(
    made: Derivation, stored: Callable[[], int], derived: list[int]
) -> None:
    made.give_way(to_backlog=True)
    made.note(BACKLOG)
    made.give_way(to_backlog=False)
    made.note(LIVE)
    made.start()
    wait_until(lambda: not made.behind, "all is derived", 60)
    assert derived == [LIVE.count, BACKLOG.count]
    assert stored() == 35


@pytest.mark.usefixtures("stored")
def test_while_a_backlog_is_stored_nothing_of_it_is_derived(
    made: Derivation, derived: list[int], looks: list[None]
) -> None:
    made.give_way(to_backlog=True)
    made.note(BACKLOG)
    made.start()
    wait_until(lambda: len(looks) > 3, "it has looked some times", 60)
    assert (made.behind, derived) == (BACKLOG.count, [])
    made.give_way(to_backlog=False)
    wait_until(lambda: not made.behind, "all is derived", 60)
    assert derived == [BACKLOG.count]


@pytest.mark.usefixtures("stored")
def test_who_waits_for_a_backlog_that_is_to_be_folded_sleeps(
    made: Derivation, looks: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folded: list[None] = []

    def some(_: Folding) -> bool:
        folded.append(None)
        return True

    monkeypatch.setattr(derivation, "REQUEST_SECONDS", 3_600.0)
    monkeypatch.setattr(Folding, "fold", some)
    made.give_way(to_backlog=True)
    made.note(BACKLOG)
    made.start()
    wait_until(lambda: bool(folded), "some is folded, and there is more", 60)
    time.sleep(0.2)
    assert len(looks) < 3


def test_of_records_that_wait_so_many_are_in_memory_and_no_more(
    made: Derivation, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []

    def rows(body: bytes) -> dict[tuple[int, int], dict[str, object]]:
        kept.append(len(body))
        return {(1, len(kept)): {}}

    monkeypatch.setattr(derivation, "rows_of", rows)
    monkeypatch.setattr(derivation, "REMEMBERED", 5)
    for seq in range(20):
        made.note(SeqSet([Range(1, seq, 1)]))
    assert len(kept) == 5
    assert made.behind == 20


@pytest.mark.usefixtures("stored")
def test_a_backlog_that_does_not_end_is_derived_in_portions_all_the_same(
    made: Derivation, derived: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivation, "GIVES_WAY_SECONDS", 0.0)
    made.give_way(to_backlog=True)
    made.note(BACKLOG)
    made.start()
    wait_until(lambda: bool(derived) and not made.behind, "all is derived", 60)
    assert derived == [BACKLOG.count]
