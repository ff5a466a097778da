"""The runs of the experiment: each way of saving orders under each load, in turns, checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ringbuf.errors import RingbufError

from .clickhouse_server import ClickHouse
from .contender import SPAWN
from .distribution import distribution
from .experiment_client import SAVINGS, Blocking, Load, Outcome, Place, Ring, trade
from .experiment_exchange import serve_orders
from .report import LABEL, Section
from .workspace import Workspace
from .writer_process import STOP_SECONDS, WriterProcess, database_name

RUN_SECONDS: Final = 900.0
NOTE: Final = (
    "One process with one event loop has N connections; for each order a coin decides whether to save it. Total: until "
    "each connection has its last order. Response: from the exchange's stamp to the end of the order's handling. In "
    "turns; total of the run in which it was lowest, response of the run in which its p99 was."
)


class Plan(NamedTuple):
    """One load, and how often each way of saving meets it."""

    connections: int
    orders: int
    gap: float
    rounds: int


FULL: Final = (Plan(5, 1_000, 0.002, 5), Plan(100, 1_000, 0.002, 3), Plan(100, 30, 0.5, 3))
QUICK: Final = (Plan(5, 200, 0.002, 1), Plan(100, 20, 0.002, 1), Plan(100, 2, 0.5, 1))


class Experiment:
    """The experiment with one exchange and one database.

    Args:
        port: of the exchange.
        failed: takes which way of saving has lost or doubled an order, and when.
    """

    def __init__(self, work: Workspace, server: ClickHouse | None, port: int, failed: dict[str, str]) -> None:
        self._work = work
        self._server = server
        self._port = port
        self._failed = failed
        self._runs = 0

    def run(self, plan: Plan, *, with_ring: bool) -> Section:
        """All ways of saving, in turns, under one load."""
        load = Load(plan.connections, plan.orders, plan.gap)
        found: dict[str, list[Outcome]] = {}
        for number in range(plan.rounds):
            for name in SAVINGS:
                if (name == Ring.name and not with_ring) or (name == Blocking.name and number):
                    continue  # the slowest one needs no second run
                outcome = self._with_writer(load) if name == Ring.name else self._trade(load, name)
                if outcome.kept != outcome.saved:
                    self._failed[f"{name}, {load.title}"] = f"saved {outcome.saved}, there are {outcome.kept}"
                found.setdefault(name, []).append(outcome)
        return Section(load.title, _rows(found), ("response_p50", "response_p99", "response_max"), "ms", NOTE)

    def _trade(self, load: Load, name: str) -> Outcome:
        """One run of the trading process."""
        place = Place(self._work.new_directory("experiment"), self._work.namespace)
        answers, theirs = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=trade, args=(theirs, self._port, load, name, place), daemon=True)
        process.start()
        theirs.close()
        try:
            if not answers.poll(RUN_SECONDS):
                raise RingbufError(f"{name}, {load.title}: not done after {RUN_SECONDS:.0f} s")
            outcome: Outcome = answers.recv()
            return outcome
        except EOFError as error:
            raise RingbufError(f"{name}, {load.title}: the trading process ended") from error
        finally:
            process.join(10)
            process.kill()
            process.join()

    def _with_writer(self, load: Load) -> Outcome:
        """One run with a writer beside it; every order must be in the database, once."""
        self._runs += 1
        database = database_name(self._work, f"experiment_{self._runs}")
        try:
            with WriterProcess(self._work, self._server, database, self._work.namespace) as writer:
                outcome = self._trade(load, "ringbuf")
                writer.wait(lambda: writer.stored() >= outcome.kept, "store everything", STOP_SECONDS)
                statement = "SELECT count() AS stored, uniqExact(client_order_id) AS different FROM executions"
                (row,) = writer.rows(statement)
                stored, different = int(row["stored"]), int(row["different"])
            return replace(outcome, kept=stored if stored == different else -1)
        finally:
            self._work.remove_rings()


@contextmanager
def exchange() -> Iterator[int]:
    """Start the exchange; gives its port."""
    answers, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=serve_orders, args=(theirs,), daemon=True)
    process.start()
    try:
        if not answers.poll(30):
            raise RingbufError("the exchange did not start")
        yield answers.recv()
    finally:
        process.kill()
        process.join()


def _rows(found: dict[str, list[Outcome]]) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = []
    for name, outcomes in found.items():
        responses = [distribution(each.response_ns).scaled(1e-6) for each in outcomes]
        best = min(responses, key=lambda each: each.p99)
        row: dict[str, Any] = {
            LABEL: name,
            "total_s": min(each.seconds for each in outcomes),
            "response_p50": best.p50,
            "response_p99": best.p99,
            "response_max": best.max,
            "orders": len(outcomes[0].response_ns),
            "saved": outcomes[0].saved,
            "runs": len(outcomes),
        }
        first = table[0] if table else row
        row["x_noop_total"] = row["total_s"] / first["total_s"]
        row["x_noop_p99"] = row["response_p99"] / first["response_p99"]
        table.append(row)
    return table
