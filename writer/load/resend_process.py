"""Sends quarantined records once more, in a process of its own, which ends at once if a writer comes.

`python -m ringbuf.writer.load.resend_process DATA_DIR` prints what became of them, as one line of JSON.
"""

import json
import os
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ringbuf.errors import RingbufError
from ringbuf.sinks.clickhouse.engine import engine_of
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.database_lock import hold_until_a_writer_comes
from ringbuf.writer.load.resend import resend
from ringbuf.writer.load.resend_request import Outcome


def main(data_dir: Path) -> None:
    """Do it and print what became of it, then end the process."""
    try:
        answer: dict[str, Any] = _send(DataDirectory(data_dir)).described()
    except RingbufError as error:
        answer = error.described()
    with suppress(BrokenPipeError):
        print(json.dumps(answer), flush=True)
    os._exit(0)  # the embedded engine leaves threads that would hold up an exit


def _send(directory: DataDirectory) -> Outcome:
    found = status.of_writer(directory)["sink"]  # first of all: else a lock would be left in any other directory
    is_left = hold_until_a_writer_comes(directory)
    threading.Thread(target=lambda: is_left.wait() and os._exit(1), daemon=True).start()
    engine = engine_of(found, directory.embedded)
    with closing(ClickHouseSink(engine, found["database"])) as sink:
        return resend(directory, sink)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
