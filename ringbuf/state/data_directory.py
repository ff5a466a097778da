"""The map of a data directory: what is in it, and what each of it is called.

    journal/           segment files: records that are durable and wait for the database
    clickhouse/        the embedded database, if the records go there
    loader.json        the checkpoint: how far the database has everything, and what was on its way
    verified.json      what the database was known to have of what the journal does not hold any more
    status.json        what the writer says about itself
    quarantine.jsonl   records that the database refuses, and journal regions that cannot be read
    writer.lock        locked by the one writer, and by nobody else
    database.lock      locked by who uses the embedded database, the checkpoint or the quarantine
    rebuild            asks the writer to derive all orders, fills and sums again
    query.sock         where the holder of database.lock answers questions

Whoever needs one of these asks here. A file that is replaced as a whole is written beside itself first, as `NAME.tmp`.
"""

from dataclasses import dataclass
from pathlib import Path

from ringbuf.errors import ConfigurationError


@dataclass(frozen=True)
class DataDirectory:
    """Where everything in one data directory is, whether it is there or not."""

    path: Path

    @property
    def journal(self) -> Path:
        """Folder of the journal's segment files."""
        return self.path / "journal"

    @property
    def embedded(self) -> Path:
        """Folder of the embedded database."""
        return self.path / "clickhouse"

    @property
    def checkpoint(self) -> Path:
        """File of `ringbuf.state.checkpoint`."""
        return self.path / "loader.json"

    @property
    def verified(self) -> Path:
        """File of `ringbuf.state.verified`."""
        return self.path / "verified.json"

    @property
    def status(self) -> Path:
        """File of `ringbuf.state.status`."""
        return self.path / "status.json"

    @property
    def quarantine(self) -> Path:
        """File of `ringbuf.state.quarantine`."""
        return self.path / "quarantine.jsonl"

    @property
    def writer_lock(self) -> Path:
        """File that the writer locks."""
        return self.path / "writer.lock"

    @property
    def database_lock(self) -> Path:
        """File of `ringbuf.state.database_lock`."""
        return self.path / "database.lock"

    @property
    def query_socket(self) -> Path:
        """Socket of `ringbuf.state.query_server`."""
        return self.path / "query.sock"

    @property
    def rebuild(self) -> Path:
        """File that asks for everything to be derived again."""
        return self.path / "rebuild"

    def damaged_checkpoint(self, found_ns: int) -> Path:
        """What a checkpoint that cannot be read is renamed to; `found_ns`: when, ns since the epoch."""
        return self.path / f"loader.damaged-{found_ns}"

    def damaged_verified(self, found_ns: int) -> Path:
        """What a file of `ringbuf.state.verified` that cannot be read is renamed to; `found_ns` as above."""
        return self.path / f"verified.damaged-{found_ns}"

    def unusable(self, error: OSError) -> ConfigurationError:
        """The error of who cannot write in it."""
        return ConfigurationError(
            f"data directory {self} cannot be used: {error.strerror}", "give a directory that this user can write"
        )

    def __str__(self) -> str:
        return str(self.path)
