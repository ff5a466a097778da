"""The process that makes a history: an embedded database is open in one process at a time, and later in the writer."""

import gc
from multiprocessing.connection import Connection
from typing import Any, Final

from ringbuf.bench.equality import check_equality
from ringbuf.bench.history import Made, make_history
from ringbuf.bench.order_flow import OrderFlow
from ringbuf.bench.spawn import AnsweringProcess
from ringbuf.errors import RingbufError
from ringbuf.sinks.clickhouse.engine import Engine
from ringbuf.tools.cli import COLLECT_AFTER

EQUALITY_SECONDS: Final = 600.0


class HistoryProcess(AnsweringProcess):
    """Works in one database of an engine, and in two more for a while; ended at the end of a `with` block."""

    def __init__(self, engine: Engine, database: str) -> None:
        super().__init__("the history's", _serve, engine, database)

    def check_equality(self, flow: OrderFlow) -> int:
        """Show that what is made is what the writer derives; how many rows were compared.

        Raises:
            RingbufError: it is not.
        """
        self.ask((False, flow))
        return int(self.answer(EQUALITY_SECONDS))

    def make(self, flow: OrderFlow, seconds: float) -> Made:
        """Make a history; wait so long for it.

        Raises:
            RingbufError: it could not be made.
        """
        self.ask((True, flow))
        made: Made = self.answer(seconds)
        return made


def _serve(connection: Connection, engine: Engine, database: str) -> None:
    gc.set_threshold(COLLECT_AFTER)  # as in the writer, whose code folds here
    while (request := connection.recv()) is not None:
        try:
            connection.send(_done(engine, database, *request))
        except RingbufError as error:
            connection.send(error)


def _done(engine: Engine, database: str, is_whole: bool, flow: OrderFlow) -> Any:
    if is_whole:
        return make_history(engine, database, flow)
    return check_equality(engine, databases_of_a_part(database), flow)


def databases_of_a_part(database: str) -> tuple[str, str]:
    """The two databases that are compared, beside that of the history."""
    return f"{database}_stored", f"{database}_made"
