"""The demo kills one strategy and the writer, once each and nobody else."""

import subprocess
from collections.abc import Iterator

import pytest

from ringbuf.demo.kills import Kills
from ringbuf.demo.monitor import Figures

Process = subprocess.Popen[bytes]


@pytest.fixture
def processes() -> Iterator[tuple[Process, Process, Process]]:
    started = tuple(subprocess.Popen(["sleep", "60"]) for _ in range(3))
    yield started[0], started[1], started[2]
    for each in started:
        each.kill()
        each.wait()


def figures(seconds: float, strategies: dict[str, int], writer_pid: int | None) -> Figures:
    return Figures(
        seconds=seconds,
        captured=0,
        journaled=0,
        stored=0,
        dropped=0,
        p50=None,
        p99=None,
        writer_pid=writer_pid,
        restarts=0,
        strategies=strategies,
        strategy_restarts=0,
        problem=None,
    )


def test_each_is_killed_once_when_it_is_due(processes: tuple[Process, Process, Process]) -> None:
    first, second, writer = processes
    kills = Kills(8.0)
    strategies = {"demo-mm-01": first.pid, "demo-mm-02": second.pid}
    assert kills.look(figures(1.9, strategies, writer.pid)) is None
    assert kills.look(figures(2.1, strategies, writer.pid)) == (
        f"kill -9 {first.pid}: strategy demo-mm-01 is killed, starts again and goes on"
    )
    assert first.wait(10) == -9
    assert kills.look(figures(2.2, strategies, writer.pid)) is None
    before = figures(4.1, strategies, writer.pid)
    assert f"kill -9 {writer.pid}: the writer" in str(kills.look(before))
    assert writer.wait(10) == -9
    assert kills.before is before
    assert kills.look(figures(8.0, strategies, writer.pid)) is None
    assert second.poll() is None


def test_what_does_not_run_now_is_killed_when_it_does(processes: tuple[Process, Process, Process]) -> None:
    kills = Kills(8.0)
    assert kills.look(figures(5.0, {}, None)) is None
    assert kills.look(figures(5.1, {"demo-mm-02": processes[0].pid}, None)) is not None
    assert processes[0].wait(10) == -9
    assert kills.look(figures(5.2, {}, processes[1].pid)) is not None
    assert processes[1].wait(10) == -9


def test_one_that_is_gone_already_is_no_error(processes: tuple[Process, Process, Process]) -> None:
    processes[0].kill()
    processes[0].wait()
    assert Kills(1.0).look(figures(0.9, {"demo-mm-01": processes[0].pid}, None)) is not None
