"""The process that opens an embedded database while no writer runs: `python -m ringbuf.query.reader_process DATA_DIR`.

It answers on the socket of the data directory until whoever started it is gone and everybody has an answer, or until a
writer comes.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from clickhouse_connect.driver.client import Client

from ringbuf.errors import RingbufError
from ringbuf.sinks.clickhouse.engine import Engine, engine_of
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.database_lock import TOLD_WHY, hold_until_a_writer_comes
from ringbuf.state.query_server import QueryServer


def main(data_dir: Path) -> None:
    """Serve, then end the process."""
    directory = DataDirectory(data_dir)
    try:
        is_left = hold_until_a_writer_comes(directory)
        sink = status.of_writer(directory)["sink"]
        engine = engine_of(sink, directory.embedded)
    except RingbufError as error:
        print(json.dumps(error.described()))
        sys.exit(TOLD_WHY)

    def answer(statement: str, timeout: float) -> Iterator[bytes]:
        with closing(ClickHouseSink(engine, sink["database"])) as opened:
            yield from opened.stream_json(statement, timeout)

    kept = _opened(engine)
    server = QueryServer(directory.query_socket, answer)
    is_left.wait()
    server.wait_until_answered()
    server.close()
    if kept is not None and server.is_idle:
        kept.close()
    os._exit(0)  # a query that nobody awaits any more may run


def _opened(engine: Engine) -> Client | None:
    """A connection that keeps the engine open from one query to the next."""
    try:
        return engine.connect()
    except RingbufError:
        return None  # each query will say why


if __name__ == "__main__":
    main(Path(sys.argv[1]))
