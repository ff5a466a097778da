"""One writer has a data directory: it takes its lock first."""

from ringbuf.errors import JournalInUse
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import LockFile, holder


def take(directory: DataDirectory) -> LockFile:
    """Make the directory if needed, mode 0700, and make it this writer's.

    Raises:
        ConfigurationError: it cannot be used.
        JournalInUse: another writer has it.
    """
    try:
        directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = LockFile.take(directory.writer_lock)
    except OSError as error:
        raise directory.unusable(error) from error
    if lock is None:
        pid = holder(directory.writer_lock) or "unknown"
        raise JournalInUse(
            f"data directory {directory} is held by another writer, process {pid}",
            "stop that one first, or give this one another --data-dir",
        )
    return lock
