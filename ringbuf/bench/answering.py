"""Asking questions many times: how long the answers take, and what they cost the server."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.exceptions import ClickHouseError

from ringbuf.bench.distribution import distribution
from ringbuf.bench.questions import Floor, Question
from ringbuf.bench.report import LABEL
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.query.database import Database, open_database
from ringbuf.sinks.clickhouse.settings import READING
from ringbuf.sinks.clickhouse.table import literal

PIECE_BYTES: Final = 65_536
ANSWER_SECONDS: Final = 1_800.0
FLOOR: Final = Question("floor: SELECT 1", lambda database, _: Floor(database))


class Way(NamedTuple):
    """A way to ask a database.

    Attributes:
        name: behind the names of questions.
        database: what is asked.
        mark: says under which name the next statements go into the server's query log.
    """

    name: str
    database: Database
    mark: Callable[[str], None]


class Asked(NamedTuple):
    """Milliseconds that the answers to one question took.

    Attributes:
        rows: how many the last answer had.
    """

    times: list[float]
    rows: int


@contextmanager
def over_http(server: ClickHouse, database: str) -> Iterator[Way]:
    """Straight from the server, over a connection that stays open."""
    settings: dict[str, Any] = {name: need.value for name, need in READING.items()}
    with server.client(database=database, send_receive_timeout=int(ANSWER_SECONDS)) as client:

        def ask(statement: str) -> Iterator[bytes]:
            with client.raw_stream(statement, settings=settings, fmt="JSONEachRow") as answer:
                while piece := answer.read(PIECE_BYTES):
                    yield piece

        yield Way("", Database(database, ask), lambda name: settings.update(log_comment=name))


@contextmanager
def through_the_writer(data_dir: Path) -> Iterator[Way]:
    """As the tool asks: the writer of the data directory, which asks the database."""
    with open_database(data_dir, ANSWER_SECONDS) as database:
        yield Way(", through the writer", database, lambda name: None)


class Patience(NamedTuple):
    """How often a question is asked: in so many rounds after the first time, and until it has taken so long in all."""

    rounds: int
    seconds: float


def ask_in_turns(way: Way, questions: Sequence[Question], patience: Patience, prefix: str = "") -> dict[str, Asked]:
    """Ask each question once, and then all of them in rounds.

    Args:
        prefix: of the names in the server's query log.

    Returns:
        by question; its first time is that of the first round.
    """
    found: dict[str, Asked] = {}
    spent: dict[str, float] = defaultdict(float)
    numbers = random.Random(1)
    for _ in range(1 + patience.rounds):
        for question in questions:
            if spent[question.name] > patience.seconds:
                continue
            way.mark(prefix + question.name)
            begin = time.perf_counter()
            rows = sum(len(lines) for lines in question.ask(way.database, numbers).lines())
            seconds = time.perf_counter() - begin
            spent[question.name] += seconds
            earlier = found[question.name].times if question.name in found else []
            found[question.name] = Asked([*earlier, seconds * 1e3], rows)
    return found


class Cost(NamedTuple):
    """What the statements of a question cost the server; of the one that took most."""

    memory: int
    read_rows: int
    read_bytes: int


def costs(server: ClickHouse, prefix: str) -> dict[str, Cost]:
    """By question, from the server's query log; nothing if it has none.

    Args:
        prefix: of the names under which they were asked.
    """
    statement = (
        f"SELECT substring(log_comment, {len(prefix) + 1}), max(memory_usage), max(read_rows), max(read_bytes)"
        f" FROM system.query_log WHERE type = 'QueryFinish' AND startsWith(log_comment, {literal(prefix)})"
        " GROUP BY log_comment"
    )
    return {name: Cost(*cost) for name, *cost in server.rows(statement)} if logs_queries(server) else {}


def logs_queries(server: ClickHouse) -> bool:
    """Whether a server has a query log that may be read; then it has everything up to now."""
    try:
        server.command("SYSTEM FLUSH LOGS")
        server.rows("SELECT 1 FROM system.query_log LIMIT 1")
    except ClickHouseError:
        return False
    return True


def rows(asked: Mapping[str, Asked], way: Way, cost: Mapping[str, Cost]) -> list[dict[str, Any]]:
    """A row for each question."""
    return [_row(name + way.name, each, cost.get(name)) for name, each in asked.items()]


def _row(name: str, asked: Asked, cost: Cost | None) -> dict[str, Any]:
    first, *warm = asked.times
    figures = distribution(warm or [first])
    return {
        LABEL: name,
        "first": first,
        "p50": figures.p50,
        "p99": figures.p99,
        "max": figures.max,
        "count": figures.count,
        "rows": asked.rows,
        "memory_mb": cost and cost.memory / 1e6,
        "read_rows": cost and cost.read_rows,
        "read_mb": cost and cost.read_bytes / 1e6,
    }
