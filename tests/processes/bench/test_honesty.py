"""Benchmarks are honest: who loses, doubles or corrupts is found out, and what is absent is not faked."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from ringbuf.bench import append, contender, one_way
from ringbuf.bench.contender import CheckFailed, Contender, Services
from ringbuf.bench.experiment_client import SAVINGS, HiddenRingSaving, RingSaving
from ringbuf.bench.experiment_runs import Exchange, Experiment, Plan
from ringbuf.bench.fills import Fill
from ringbuf.bench.producer_process import Lane, ProducerProcess
from ringbuf.bench.queue_contenders import Pipe, Queue
from ringbuf.bench.report import Report
from ringbuf.bench.ring_contenders import NativeFill, NativeFloor, NativeTextFill, PackFloor, PureFill, Timer
from ringbuf.bench.store_contenders import ClickHouseRow, Redis, SqliteThread, SqliteWal
from ringbuf.bench.strategy_process import StrategyProcess
from ringbuf.bench.timing import Style
from ringbuf.bench.usage import watched
from ringbuf.bench.workspace import Workspace, workspace
from ringbuf.ring import native
from ringbuf.ring.observer import Observer
from ringbuf.ring.registry import ring_names

LITTERED = 5_000
"""Objects after which the garbage collector has run."""

SERVICES = Services(None, "no ClickHouse here", None, "no Redis here")


class LosingPipe(Pipe):
    """Loses one fill in twenty."""

    name = "losing"
    count = 0

    @property
    def call(self) -> Callable[..., Any]:
        def send(fill: Fill) -> None:
            self.count += 1
            if self.count % 20:
                self.sending.send(fill)

        return send


class DoublingPipe(Pipe):
    """Sends the last fill twice."""

    name = "doubling"

    def finish_slice(self) -> None:
        self.sending.send(self.last)

    @property
    def call(self) -> Callable[..., Any]:
        def send(fill: Fill) -> None:
            self.last = fill
            self.sending.send(fill)

        return send


class CorruptingPipe(Pipe):
    """Turns the same bit of each."""

    name = "corrupting"

    @property
    def call(self) -> Callable[..., Any]:
        return lambda fill: self.sending.send(fill._replace(exchange_seq=fill.exchange_seq ^ 1 << 40))


class SwappingPipe(Pipe):
    """Sends one fill twice in the place of another one."""

    name = "swapping"

    @property
    def call(self) -> Callable[..., Any]:
        return self.sending.send

    def prepare(self, fills: list[Fill]) -> list[Fill]:
        return [fills[0], *fills[:-1]]


class LitteringTimer(Timer):
    """Keeps an object for each fill."""

    style = Style.EVENT

    @property
    def call(self) -> Callable[..., Any]:
        kept: list[list[Fill]] = []
        return lambda fill: kept.append([fill])


@pytest.fixture
def work() -> Iterator[Workspace]:
    with workspace() as made:
        yield made
    assert not made.directory.exists()
    assert not ring_names(made.namespace)


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        (LosingPipe, "of 101 fills sent the consumer lost 5"),
        (DoublingPipe, "of 101 fills sent the consumer got twice 1"),
        (CorruptingPipe, "101 fills arrived, but not those that were sent"),
        (SwappingPipe, "101 fills arrived, but not those that were sent"),
    ],
)
def test_a_contender_that_loses_doubles_or_corrupts_is_found_out(
    kind: type[Contender], finding: str, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contender, "SETTLE_SECONDS", 0.5)
    made = kind(work, SERVICES, None)
    with closing(made):
        made.open()
        with pytest.raises(CheckFailed, match=finding):
            Lane(made).run(101, 0)


@pytest.mark.parametrize("kind", [Timer, PackFloor, Pipe, Queue, SqliteWal, SqliteThread, PureFill])
def test_an_honest_contender_passes_with_one_time_for_each_fill(
    kind: type[Contender], work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "CORE", None)
    made = kind(work, SERVICES, None)
    with closing(made):
        made.open()
        lane = Lane(made)
        assert len(lane.run(30, 0).times) == 30
        times = lane.run(5, 1_000_000).times
        assert len(times) == 5
        assert min(times) > 0


@pytest.mark.usefixtures("implementation")
def test_fills_leave_the_garbage_collector_nothing_to_do(work: Workspace) -> None:
    made = (PureFill if native.CORE is None else NativeFill)(work, SERVICES, None)
    with closing(made):
        made.open()
        assert Lane(made).run(LITTERED, 0).gc_runs == 0


@pytest.fixture
def _usual_collector() -> Iterator[None]:
    """The command, if a test has run it in this process, has the collector run less often."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_usual_collector")
def test_a_contender_that_leaves_objects_is_seen_to_cost_runs_of_the_garbage_collector(work: Workspace) -> None:
    made = LitteringTimer(work, SERVICES, None)
    with closing(made):
        made.open()
        assert Lane(made).run(LITTERED, 0).gc_runs > 0


@pytest.mark.parametrize(
    ("kind", "reason"), [(Redis, "no Redis here|No module named"), (ClickHouseRow, "no ClickHouse")]
)
def test_a_contender_without_its_server_is_absent(kind: type[Contender], reason: str, work: Workspace) -> None:
    made = kind(work, SERVICES, None)
    with closing(made), pytest.raises(contender.Absent, match=reason):
        made.open()


def test_a_package_that_is_not_installed_makes_its_contender_absent_and_is_named() -> None:
    with pytest.raises(contender.Absent, match=r"'no_such_package'.*ringbuf-capture\[bench\]"):
        contender.package("no_such_package")


def test_a_comparison_has_both_implementations_both_floors_and_names_what_is_absent(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append, "PEERS", [Queue, ClickHouseRow])
    report = append.compare(work, SERVICES, append.Extent(rounds=1, paced=5), Report("append", True))
    expected = {Timer.name, PureFill.name, PackFloor.name, Queue.name}
    expected |= {NativeFill.name, NativeTextFill.name, NativeFloor.name} if native.CORE is not None else set()
    for section in report.sections:
        assert {row["name"] for row in section.rows} == expected
        assert all(row["count"] > 0 for row in section.rows)
    assert report.absent[ClickHouseRow.name] == "no ClickHouse here"
    assert not report.failed


def test_a_failing_contender_is_reported_and_left_out_while_the_others_go_on(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append, "FIRST", [])
    monkeypatch.setattr(append, "PURE", [])
    monkeypatch.setattr(append, "PEERS", [CorruptingPipe, Queue])
    report = append.compare(work, SERVICES, append.Extent(rounds=1, paced=5), Report("append", True))
    assert report.failed.keys() == {"corrupting"}
    assert [row["name"] for row in report.sections[0].rows] == [Queue.name]


def test_the_pure_implementation_is_measured_in_a_process_that_has_no_other(work: Workspace) -> None:
    producer = ProducerProcess([PureFill, NativeFill], work, SERVICES, pure=True)
    with closing(producer):
        assert producer.ready == [PureFill.name]
        assert len(producer.measure(PureFill.name, 10, 0).samples) == 10
    assert native.PURE_VARIABLE not in os.environ


@pytest.mark.parametrize("way", one_way.WAYS, ids=lambda way: way.name)
def test_every_record_under_way_is_timed(way: one_way.Way, work: Workspace) -> None:
    assert len(one_way.measure(way, work, 5)) == 5


def test_a_strategy_process_tells_what_its_rings_took_and_what_they_did_not(work: Workspace) -> None:
    with StrategyProcess(2, 64, work.namespace) as strategies:
        assert len(strategies.opening_ns) == 2
        strategies.start_recording(10_000.0, 0.02)
        recorded = strategies.recorded()
        assert (recorded.accepted, recorded.dropped, len(set(recorded.sessions))) == (128, 72, 2)


def test_a_strategy_process_fills_its_rings_to_the_last_slot_and_lets_them_be_renamed(work: Workspace) -> None:
    with StrategyProcess(2, 64, work.hidden) as strategies:
        recorded = strategies.fill_up()
        assert (recorded.accepted, recorded.dropped) == (128, 0)
        work.show_rings()
        for name in ring_names(work.namespace):
            with Observer.open(name, namespace=work.namespace) as observer:
                assert (observer.state().head, observer.state().producer_alive) == (64, False)


def test_what_a_process_uses_is_counted() -> None:
    with watched(os.getpid()) as spent:
        sum(range(2_000_000))
    assert 0 < spent.cpu <= spent.seconds * 64
    assert spent.last is not None and spent.last.own_mb > 1 and spent.last.files > 2


def test_the_processor_time_of_a_thread_that_has_ended_counts() -> None:
    def work_for_a_while() -> None:
        end = time.thread_time() + 0.2
        while time.thread_time() < end:
            pass

    with watched(os.getpid()) as spent:
        thread = threading.Thread(target=work_for_a_while)
        thread.start()
        thread.join()
    assert spent.cpu >= 0.2


def test_the_experiment_counts_what_each_way_of_saving_has_kept(work: Workspace) -> None:
    failed: dict[str, str] = {}
    with Exchange() as exchange:
        section = Experiment(work, exchange, None, None, failed).run(Plan(3, 8, 0.001, 1, 1))
    assert {row["name"] for row in section.rows} == SAVINGS.keys() - {RingSaving.name, HiddenRingSaving.name}
    assert {(row["orders"], row["saved"]) for row in section.rows} == {(24, section.rows[0]["saved"])}
    assert 0 < section.rows[0]["saved"] < 24
    assert not failed
