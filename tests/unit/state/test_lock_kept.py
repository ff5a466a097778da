"""A lock whose file is removed or replaced while it is held."""

from pathlib import Path

import pytest

from ringbuf.state.lock_file import LockFile, holder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "writer.lock"


def test_a_lock_file_that_is_removed_is_made_and_locked_again(path: Path) -> None:
    lock = LockFile.take(path)
    assert lock is not None and lock.keep()
    for _ in range(2):
        path.unlink()
        assert holder(path) is None
        assert lock.keep()
        assert (LockFile.take(path), holder(path) is None) == (None, False)
    lock.close()
    again = LockFile.take(path)
    assert again is not None
    again.close()


def test_a_file_that_somebody_else_put_there_is_not_taken(path: Path) -> None:
    lock = LockFile.take(path)
    assert lock is not None
    path.unlink()
    path.touch()
    assert not lock.keep()
    assert not lock.keep()
    lock.close()


def test_in_another_directory_of_the_same_name_no_lock_is_made(path: Path, tmp_path: Path) -> None:
    lock = LockFile.take(path)
    assert lock is not None
    path.parent.rename(tmp_path / "away")
    assert not lock.keep()
    path.parent.mkdir()
    assert not lock.keep()
    assert list(path.parent.iterdir()) == []
    path.parent.rmdir()
    (tmp_path / "away").rename(path.parent)
    assert lock.keep()
    lock.close()
