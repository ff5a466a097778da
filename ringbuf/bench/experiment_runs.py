"""The runs of the experiment: each way of saving orders under each load, in turns, checked."""

import statistics
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Final, NamedTuple, Self

from ringbuf.bench.bench_writer import BenchWriter
from ringbuf.bench.distribution import Distribution, distribution
from ringbuf.bench.experiment_client import (
    SAVINGS,
    Awaited,
    Blocking,
    HiddenRingSaving,
    Load,
    Outcome,
    Place,
    RingSaving,
    Saving,
    SqliteInLoop,
    SqliteInThread,
    trade,
)
from ringbuf.bench.experiment_exchange import serve_orders
from ringbuf.bench.report import LABEL, Section
from ringbuf.bench.spawn import AnsweringProcess
from ringbuf.bench.usage import watched
from ringbuf.bench.workspace import Workspace
from ringbuf.launch.writer_process import STOP_SECONDS

RUN_SECONDS: Final = 900.0
START_SECONDS: Final = 30.0
NOTE: Final = (
    "One process with one event loop has N connections; for each order a coin decides whether to save it. Total: until "
    "each connection has its last order. p50, p99, max: of the response in ms, from the exchange's stamp to the end of "
    "the order's handling. Each figure is the median of the rounds, or the best of them; x noop of the medians is the "
    "median of the ratios to noop in the same round. One writer and one server run beside all ways, noop included: the "
    "writer with SCHED_BATCH and nice 10 and an insert a second, a server started here with SCHED_IDLE, since a "
    "database has a host of its own. Writer later: it is shown the ring after the run, so this is what saving alone "
    "costs. CPU: as a share of a core during the run; if that of the exchange is near 100 %, total is its own pace."
)


class Plan(NamedTuple):
    """One load, and how often it is met by noop and ringbuf, and by the other ways of saving."""

    connections: int
    orders: int
    gap: float
    rounds: int
    other_rounds: int


FULL: Final = (Plan(5, 1_000, 0.002, 9, 3), Plan(100, 1_000, 0.002, 5, 2), Plan(100, 30, 0.5, 5, 2))
QUICK: Final = (Plan(5, 200, 0.002, 2, 1), Plan(100, 20, 0.002, 2, 1), Plan(100, 2, 0.5, 1, 0))


class Exchange(AnsweringProcess):
    """The exchange, in a process of its own; ended at the end of a `with` block.

    Attributes:
        pid: its process.
        port: where it serves.
    """

    def __init__(self) -> None:
        super().__init__("the exchange", serve_orders)
        self.port: int = self.first_answer(START_SECONDS)


class Experiment:
    """The experiment with one exchange, one writer and its database.

    Args:
        writer: without one, nothing is saved through a ring.
        server_pid: the process of the database, if it is a server on this host.
        failed: is given the ways of saving that lost or doubled an order, and what was found.
    """

    def __init__(
        self,
        work: Workspace,
        exchange: Exchange,
        writer: BenchWriter | None,
        server_pid: int | None,
        failed: dict[str, str],
    ) -> None:
        self._work = work
        self._exchange = exchange
        self._writer = writer
        pids = {"exchange": exchange.pid, "writer": writer.pid if writer else None, "server": server_pid}
        self._beside = {what: pid for what, pid in pids.items() if pid is not None}
        self._failed = failed
        self._runs = 0

    def run(self, plan: Plan) -> Section:
        """All ways of saving, in turns, under one load."""
        load = Load(plan.connections, plan.orders, plan.gap)
        found: dict[str, list[Outcome]] = {}
        for number in range(plan.rounds):
            for name in self._turn(plan, number):
                outcome = self._trade(load, name)
                if outcome.kept != outcome.saved:
                    self._failed[f"{name}, {load.title}"] = f"saved {outcome.saved}, there are {outcome.kept}"
                found.setdefault(name, []).append(outcome)
        return Section(f"response, {load.title}", rows(found), ("p50", "p99", "max"), "ms", NOTE)

    def _turn(self, plan: Plan, number: int) -> list[str]:
        """The order of the runs in a round: noop and ringbuf next to each other, in every other round in reverse."""
        compared = [Saving.name] if self._writer is None else [Saving.name, RingSaving.name, HiddenRingSaving.name]
        others = [Awaited.name, SqliteInLoop.name, SqliteInThread.name] if number < plan.other_rounds else []
        if others and not number:
            others.append(Blocking.name)  # the slowest one needs no second run
        return compared[:: -1 if number % 2 else 1] + others

    def _trade(self, load: Load, name: str) -> Outcome:
        """One run of the trading process; if it saves through a ring, until every order is in the database."""
        self._runs += 1
        namespace = self._work.hidden if name == HiddenRingSaving.name else self._work.namespace
        place = Place(self._work.new_directory("experiment"), f"run-{self._runs}", namespace)
        try:
            with ExitStack() as stack:
                used = {what: stack.enter_context(watched(pid)) for what, pid in self._beside.items()}
                outcome = self._ended(load, name, place)
            outcome = replace(outcome, beside={what: each.cpu for what, each in used.items()})
            self._work.show_rings()
            if issubclass(SAVINGS[name], RingSaving):
                return replace(outcome, kept=self._stored(place, outcome.kept))
            return outcome
        finally:
            self._work.remove_rings()

    def _ended(self, load: Load, name: str, place: Place) -> Outcome:
        arguments = (self._exchange.port, load, name, place)
        with AnsweringProcess(f"{name}, {load.title}: the trading", trade, *arguments) as process:
            outcome: Outcome = process.answer(RUN_SECONDS)
            return outcome

    def _stored(self, place: Place, recorded: int) -> int:
        """How many orders of one run are in the database, once each; -1 if one is there twice."""
        assert self._writer is not None, "only then something is saved through a ring"
        writer = self._writer
        of_run = f"FROM executions WHERE session IN (SELECT session FROM sessions WHERE ring = '{place.ring}')"

        def count(what: str) -> int:
            return int(writer.rows(f"SELECT {what} AS found {of_run}")[0]["found"])

        writer.wait_until(lambda: count("count()") >= recorded, "store everything", STOP_SECONDS)
        stored = count("count()")
        return stored if stored == count("uniqExact(client_order_id)") else -1


class _Figures(NamedTuple):
    """What is compared of one run: the total in seconds, the response in milliseconds."""

    total: float
    response: Distribution

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        return cls(outcome.seconds, distribution(outcome.response_ns).scaled(1e-6))


def rows(found: dict[str, list[Outcome]]) -> list[dict[str, Any]]:
    """One row for each way of saving, the first of which is what the others are compared with."""
    figures = {name: [_Figures.of(each) for each in outcomes] for name, outcomes in found.items()}
    order = [name for name in SAVINGS if name in found]
    floor = figures[order[0]]
    return [_row(name, found[name], figures[name], floor) for name in order]


def _row(name: str, outcomes: list[Outcome], figures: list[_Figures], floor: list[_Figures]) -> dict[str, Any]:
    totals, floor_totals = [each.total for each in figures], [each.total for each in floor]
    p50s = [each.response.p50 for each in figures]
    p99s, floor_p99s = [each.response.p99 for each in figures], [each.response.p99 for each in floor]
    return {
        LABEL: name,
        "total_s": statistics.median(totals),
        "best_total_s": min(totals),
        "p50": statistics.median(p50s),
        "best_p50": min(p50s),
        "p99": statistics.median(p99s),
        "best_p99": min(p99s),
        "max": statistics.median(each.response.max for each in figures),
        "orders": len(outcomes[0].response_ns),
        "saved": outcomes[0].saved,
        "rounds": len(outcomes),
        "trading_cpu_percent": statistics.median(each.cpu / each.seconds for each in outcomes) * 100,
        **{
            f"{what}_cpu_percent": statistics.median(each.beside[what] / each.seconds for each in outcomes) * 100
            for what in outcomes[0].beside
        },
        "x_noop_total": _median_ratio(totals, floor_totals),
        "x_noop_best_total": min(totals) / min(floor_totals),
        "x_noop_p99": _median_ratio(p99s, floor_p99s),
        "x_noop_best_p99": min(p99s) / min(floor_p99s),
    }


def _median_ratio(figures: list[float], floor: list[float]) -> float:
    """The ratios are taken round by round; a way with fewer rounds had the first ones."""
    return statistics.median(each / least for each, least in zip(figures, floor, strict=False))
