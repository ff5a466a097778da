"""The checkpoint with which a writer starts."""

import time

from ringbuf.errors import ConfigurationError, JournalCorrupt
from ringbuf.journal.reader import JournalReader
from ringbuf.state import checkpoint as state_file
from ringbuf.state.checkpoint import Checkpoint
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.destination import is_same
from ringbuf.writer.problems import Problems


def load_checkpoint(
    directory: DataDirectory, destination: str, reader: JournalReader, problems: Problems
) -> Checkpoint:
    """The state an earlier writer left. What is damaged is set aside: then all of the journal is doubtful.

    Args:
        destination: the database it must be of.

    Raises:
        ConfigurationError: it is of another one.
    """
    try:
        found = state_file.load(directory.checkpoint)
    except JournalCorrupt as error:
        problems.report(error)
        directory.checkpoint.rename(directory.damaged_checkpoint(time.time_ns()))
        found = None
    if found is None:
        segments = reader.segments()
        found = Checkpoint(destination, segments[0].base if segments else 0)
        state_file.save(directory.checkpoint, found)
    if not is_same(found.destination, destination):
        raise ConfigurationError(
            f"data directory {directory} loads into {found.destination}, not into {destination}",
            "give this writer another --data-dir, or the database it had",
        )
    return found
