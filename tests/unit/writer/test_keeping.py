"""The thread that drops what is old."""

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from ringbuf.state.data_directory import DataDirectory
from ringbuf.writer.load.keeping import Keeping
from ringbuf.writer.load.tables import Tables
from ringbuf.writer.problems import Problems

NOT_USED = cast(Any, None)


def test_as_long_as_nothing_is_loaded_it_looks_now_and_then_and_burns_no_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping = Keeping(
        DataDirectory(tmp_path), NOT_USED, Tables(), NOT_USED, loaded=lambda: 0, problems=Problems(), days=2
    )
    looks: list[int] = []
    monkeypatch.setattr(keeping, "look", lambda: looks.append(1))
    stopping = threading.Event()
    thread = threading.Thread(target=keeping.run, args=(stopping,))
    thread.start()
    stopping.wait(0.3)
    stopping.set()
    thread.join()
    assert len(looks) == 1
