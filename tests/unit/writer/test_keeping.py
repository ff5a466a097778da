"""The thread that drops what is old."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from ringbuf.errors import SinkUnavailable
from ringbuf.launch.waiting import wait_until
from ringbuf.state.data_directory import DataDirectory
from ringbuf.writer.load import keeping
from ringbuf.writer.load.keeping import Keeping
from ringbuf.writer.load.tables import Tables
from ringbuf.writer.problems import Problems

NOT_USED = cast(Any, None)


class Looking(Keeping):
    """Counts looks, and fails with the first ones."""

    def __init__(self, directory: Path, *errors: Exception) -> None:
        problems = Problems()
        super().__init__(DataDirectory(directory), NOT_USED, Tables(), NOT_USED, lambda: 0, problems, days=2)
        self.looks = 0
        self._errors = [*errors]

    def look(self) -> None:
        self.looks += 1
        if self._errors:
            raise self._errors.pop()


@contextmanager
def running(looking: Looking) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=looking.run, args=(stopping,))
    thread.start()
    yield
    stopping.set()
    thread.join()


def test_as_long_as_nothing_is_loaded_it_looks_now_and_then_and_burns_no_core(tmp_path: Path) -> None:
    looking = Looking(tmp_path)
    with running(looking):
        time.sleep(0.3)
    assert looking.looks == 1


def test_whatever_goes_wrong_with_a_look_there_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 0.01)
    looking = Looking(tmp_path, ValueError("of ours"), SinkUnavailable("away"))
    with running(looking):
        wait_until(lambda: looking.looks > 2, "it has looked again")
