"""Everything is killed, cut, stopped and filled at random for as long as wanted; then not one record may be missing.

`python -m tests.soak --minutes 10 --seed 7`, or `make soak MINUTES=10 SEED=7`

Strategies record into rings of their own, a writer stores that on a real server behind a proxy. In the end everything
runs undisturbed until it has caught up, and what the strategies know to have recorded is compared with the database.
Exit code 0: the two are equal, no record is lost, doubled or in another place, and no process ended by itself.
"""

import heapq
import json
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click

from ringbuf.errors import RingError
from ringbuf.launch.clickhouse_server import find_engine
from ringbuf.launch.waiting import wait_until
from ringbuf.launch.workspace import Workspace
from ringbuf.ring.registry import NAMESPACE_VARIABLE
from ringbuf.state import status as status_file
from ringbuf.state.data_directory import DataDirectory
from tests.clickhouse_server import NO_ENGINE
from tests.proxy import Proxy, rows_inserted
from tests.soak.chaos import DEATH, Chaos, draws
from tests.soak.comparison import Comparison, compare, differing_views
from tests.soak.disk import Disk
from tests.soak.live_ring import LiveRing
from tests.soak.processes import Database, Program
from tests.soak.recovery import RecoveryTimes
from tests.soak.truth import Truth

DATABASE: Final = "soak"
REPORT_SECONDS: Final = 15.0
CATCH_UP_SECONDS: Final = 300.0


class Soak:
    """One run, in a directory of its own."""

    def __init__(self, directory: Path, stack: ExitStack, seed: int, strategies: int, rate: float) -> None:
        self._directory = directory
        self._seed = seed
        self._problems: list[str] = []
        self._heap: list[tuple[float, int, str, Callable[[], None]]] = []
        self._disk = Disk(directory / "disk")  # first: its mount is for the threads and processes that come after it
        stack.callback(self._disk.close)
        self._database = self._start_database(stack)
        self._proxy = stack.enter_context(Proxy(self._database.host, self._database.http_port))
        self._names = [f"strategy-{number}" for number in range(strategies)]
        self._strategies = [self._strategy(name, rate) for name in self._names]
        self._data_dir = directory / "disk" / "data"
        arguments = ["--data-dir", str(self._data_dir), "--clickhouse", self._proxy.url, "--database", DATABASE]
        arguments += ["--segment-mb", "1", "--retain-gb", "0.01"]
        self._writer = Program("writer", "writer", "tests.soak.writer", arguments, directory / "writer.log")
        for each in (*self._strategies, self._writer):
            stack.callback(each.kill)
            each.start()
        self._rings = self._observe()
        wait_until(lambda: self._status().get("pid") == self._writer.pid, "the writer runs")
        sessions = {ring.session: ring for ring in self._rings.values()}
        self._recovery = RecoveryTimes(self._database, DATABASE, sessions)
        stack.callback(self._recovery.close)
        self._chaos = Chaos(
            self._strategies, self._rings, self._writer, self._database, self._proxy, self._disk, rows_inserted
        )

    def run(self, minutes: float, *, calm: bool) -> bool:
        """Disturb everything for a while, then compare. Returns whether all is well."""
        print(f"seed {self._seed}, {minutes:g} minutes, disk: {self._disk.kind}", flush=True)
        began = time.monotonic()
        self._disturb(began + 60 * minutes, calm=calm)
        print("all faults are over; everything catches up", flush=True)
        self._settle()
        heads = {name: ring.head for name, ring in self._rings.items()}
        truths = {name: Truth.read(self._log(name)) for name in self._names}
        with self._database.client() as client:
            found = compare(client, DATABASE, truths, heads)
            wrong = differing_views(client, DATABASE)
        self._problems += [f"the view {name} has not what the records come to" for name in wrong]
        dropped = sum(ring.state().dropped for ring in self._rings.values())
        if dropped < found.dropped:
            self._problems.append(f"{found.dropped} appends were refused, the rings counted {dropped}")
        self._report(found, minutes)
        is_well = found.is_exact and not self._problems
        if not is_well:
            shutil.copytree(self._data_dir, self._directory / "data", ignore=shutil.ignore_patterns("*.sock"))
        return is_well

    # Setting up

    def _start_database(self, stack: ExitStack) -> Database:
        engine = find_engine()
        if engine is None:
            raise click.ClickException(NO_ENGINE)
        directory = self._directory / "clickhouse"
        directory.mkdir()
        database = Database(engine, directory)
        stack.callback(database.kill)
        database.start()
        return database

    def _strategy(self, name: str, rate: float) -> Program:
        arguments = [name, str(self._log(name)), str(self._seed), str(rate)]
        return Program("strategy", name, "tests.soak.strategy", arguments, self._directory / "strategies.log")

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.truth"

    def _observe(self) -> dict[str, LiveRing]:
        rings: dict[str, LiveRing] = {}

        def all_are_there() -> bool:
            for name in self._names:
                if name not in rings:
                    try:
                        rings[name] = LiveRing(name)
                    except RingError:
                        return False
            return all(ring.head for ring in rings.values())

        wait_until(all_are_there, "all strategies record")
        return rings

    def _status(self) -> Mapping[str, Any]:
        return status_file.read(DataDirectory(self._data_dir).status) or {}

    # The chaos

    def _disturb(self, until: float, *, calm: bool) -> None:
        now = time.monotonic()
        due = now
        report_at = now + REPORT_SECONDS
        for number, draw in enumerate(draws(self._seed, calm=calm)):
            due += draw.delay
            if due >= until:
                break
            while (now := time.monotonic()) < due or (self._heap and self._heap[0][0] <= now):
                self._end_due(now)
                self._watch_over()
                if now >= report_at:
                    report_at = now + REPORT_SECONDS
                    self._show_progress()
                time.sleep(0.01)
            begun = self._chaos.begin(draw)
            if begun is not None:
                heapq.heappush(self._heap, (now + draw.duration, number, *begun))
        while self._heap:
            self._end_due(float("inf"))

    def _end_due(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            _, _, kind, end = heapq.heappop(self._heap)
            end()
            self._recovery.note(kind)

    def _watch_over(self) -> None:
        for each in (*self._strategies, self._writer):
            code = each.ended_by_itself
            if code is not None:
                self._problems.append(f"{each.name} ended by itself with code {code}, see {each.log}")
                print(self._problems[-1], flush=True)
                each.kill()
                each.start()

    def _settle(self) -> None:
        self._database.start()
        for each in (*self._strategies, self._writer):
            each.start()
        time.sleep(2)
        for strategy in self._strategies:
            strategy.end(10)
        self._recovery.note("end")
        wait_until(lambda: not self._recovery.pending, "the database has everything", CATCH_UP_SECONDS)
        wait_until(lambda: self._status().get("pid") == self._writer.pid, "the writer runs")
        wait_until(lambda: self._status().get("derivation", {}).get("behind") == 0, "all is derived", CATCH_UP_SECONDS)
        code = self._writer.end(60)
        if code != 0:
            self._problems.append(f"at SIGTERM the writer ended with {code}")

    # What became of it

    def _show_progress(self) -> None:
        deaths = sum(count for kind, count in self._chaos.counts.items() if kind.startswith(DEATH))
        recorded = sum(self._recovery.heads.values())
        progress = f"{recorded:,} recorded, {self._recovery.stored:,} stored"
        print(f"  {deaths} kills, {self._chaos.counts.total() - deaths} other faults, {progress}", flush=True)

    def _report(self, found: Comparison, minutes: float) -> None:
        counts, seconds = self._chaos.counts, self._recovery.seconds
        print(f"\n{'fault':<26}{'count':>7}{'recovered after, s: median':>28}{'longest':>9}")
        for kind in sorted(counts, key=lambda each: (not each.startswith(DEATH), each)):
            times = seconds[kind]
            print(f"{kind:<26}{counts[kind]:>7}{statistics.median(times):>28.2f}{max(times):>9.2f}")
        deaths = sum(count for kind, count in counts.items() if kind.startswith(DEATH))
        summary = {
            "seed": self._seed,
            "minutes": minutes,
            "kills": deaths,
            "other_faults": counts.total() - deaths,
            "records": found.records,
            "lost": found.lost,
            "doubled": found.doubled,
            "raw_doubled": found.raw_doubled,
            "different": found.different,
            "invented": found.invented,
            "dropped": found.dropped,
            "longest_recovery_s": round(max(max(times) for times in seconds.values() if times), 2),
            "problems": len(self._problems),
        }
        print("\n" + json.dumps(summary))
        for line in [*found.notes[:20], *self._problems]:
            print(line)


@click.command()
@click.option("--minutes", default=10.0, show_default=True, type=click.FloatRange(min=0.1))
@click.option("--seed", type=int, help="Same seed, same faults at the same moments. Default: a new one.")
@click.option("--strategies", default=4, show_default=True, type=click.IntRange(1, 100))
@click.option("--rate", default=60.0, show_default=True, help="Records per second of each strategy, bursts besides.")
@click.option("--calm", is_flag=True, help="One fault after the other, each kind as often: shows recovery times.")
def main(minutes: float, seed: int | None, strategies: int, rate: float, calm: bool) -> None:
    """Kill, cut, stop and fill everything at random; then compare what was recorded with what is stored."""
    with Workspace.temporary("soak") as work:
        os.environ[NAMESPACE_VARIABLE] = work.namespace
        work.is_kept = True
        try:
            with ExitStack() as stack:
                chosen = seed if seed is not None else random.randrange(10**6)
                soak = Soak(work.directory, stack, chosen, strategies, rate)
                work.is_kept = not soak.run(minutes, calm=calm)
        except (KeyboardInterrupt, SystemExit):
            work.is_kept = False  # nothing was found
            sys.exit(130)
        finally:
            if work.is_kept:
                print(f"logs and data are kept in {work.directory}")
    sys.exit(work.is_kept)


if __name__ == "__main__":
    main()
