"""`ringbuf rebuild` waits for a writer that lives, and for no other."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import LockFile
from ringbuf.tools import rebuild
from ringbuf.tools.cli import main


def test_a_writer_that_gives_no_sign_of_life_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "SILENT_SECONDS", 0.5)
    directory = DataDirectory(tmp_path)
    sink = {"kind": "embedded", "url": None, "database": "d", "reachable": True, "error": None}
    directory.status.write_text(json.dumps({"sink": sink, "state": "running", "updated_ns": 1}))
    lock = LockFile.take(directory.writer_lock)
    assert lock is not None
    with closing(lock):
        result = CliRunner().invoke(main, ["rebuild", "--data-dir", str(tmp_path)])
    assert (result.exit_code, directory.rebuild.exists()) == (1, True)
    assert "hangs: no sign of life for 0.5 s" in result.stderr
