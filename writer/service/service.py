"""The writer process: drain and loader under one roof, started and stopped as a service.

Two stages that only share the journal. The drain runs in the main thread and never touches the database; the loader has
a thread of its own and never touches a ring. Either can stand still without the other.
"""

import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import (
    JournalError,
    JournalFull,
    JournalLost,
    RingbufError,
)
from ringbuf.journal.appender import JournalAppender
from ringbuf.journal.reader import JournalReader
from ringbuf.sinks.clickhouse.engine import Embedded, Engine, Server, described
from ringbuf.sinks.clickhouse.sink import ClickHouseSink
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import LockFile, holder
from ringbuf.state.status import INTERVAL_SECONDS, StatusFile
from ringbuf.state.verified import VerifiedFile
from ringbuf.writer.derive.derivation import Derivation
from ringbuf.writer.drain.attached_rings import AttachedRings
from ringbuf.writer.drain.dead_rings import DeadRings
from ringbuf.writer.drain.drain import Drain
from ringbuf.writer.load.keeping import Keeping
from ringbuf.writer.load.loader import Loader
from ringbuf.writer.problems import Problems
from ringbuf.writer.service.checkpoint_found import load_checkpoint
from ringbuf.writer.service.database_access import DatabaseAccess
from ringbuf.writer.service.directory_lock import take
from ringbuf.writer.service.journal_segments import JournalSegments
from ringbuf.writer.service.metrics import serve_metrics

LOGGER: Final = logging.getLogger("ringbuf.writer")
DISCOVER_SECONDS: Final = 0.25
LOOK_AFTER_SECONDS: Final = 1.0
LONGEST_IDLE_SECONDS: Final = 0.010
STUCK_SECONDS: Final = 0.25


@dataclass(frozen=True)
class Settings:
    """How a writer runs.

    Attributes:
        sync_interval: seconds between two syncs of the journal while records come in.
        flush_interval: seconds between two inserts at low rates.
        stop_timeout: seconds to wait for the database when stopping.
        segment_bytes: size at which the journal begins a new segment.
        retain_bytes: size of the journal above which loaded segments are deleted.
        remove_dead_after: seconds after which a ring is removed whose process has ended and of which the database has
            all; None for never.
        keep_days: whole days, besides today, after which what is verified is dropped; None for never.
        metrics_port: port on the loopback address for Prometheus, None for no metrics.
    """

    namespace: str
    sync_interval: float = 0.010
    flush_interval: float = 0.050
    stop_timeout: float = 10.0
    segment_bytes: int = 64_000_000
    retain_bytes: int = 1_000_000_000
    remove_dead_after: float | None = 86_400.0
    keep_days: int | None = None
    metrics_port: int | None = None


class Writer:
    """One writer on one data directory.

    Raises, when made:
        ConfigurationError, SinkError: the database cannot be used, and never was from this directory. A directory that
            has loaded records before starts all the same: the rings must be drained.
    """

    def __init__(
        self, directory: DataDirectory, lock: LockFile, engine: Engine, database: str, settings: Settings
    ) -> None:
        self._directory = directory
        self._lock = lock
        self._engine = engine
        self._database = database
        self._settings = settings
        self._started_ns = time.time_ns()
        self._version = version("ringbuf-capture")
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._problems = Problems()
        self._access = DatabaseAccess(directory, engine, database, self._problems)
        if not directory.checkpoint.exists():
            self._access.open_first()
        directory.journal.mkdir(mode=0o700, exist_ok=True)
        self._reader = JournalReader(directory.journal)
        checkpoint = load_checkpoint(directory, self._access.sink.destination, self._reader, self._problems)
        self._journal = JournalAppender.open(
            directory.journal,
            not_below=checkpoint.highest,
            segment_size=settings.segment_bytes,
            check_owner=self._check_owner,
        )
        self._rings = AttachedRings(self._journal, self._problems, settings.namespace)
        self._drain = Drain(self._rings, self._journal, self._problems)
        self._verified = VerifiedFile.open(
            directory, self._access.sink.destination, self._started_ns, self._problems.report
        )
        self._derivation = Derivation(partial(ClickHouseSink, engine, database), directory.rebuild, self._problems)
        self._loader = Loader(
            directory,
            self._journal,
            self._reader,
            partial(ClickHouseSink, engine, database),
            self._problems,
            checkpoint,
            self._verified,
            flush_interval=settings.flush_interval,
            derivation=self._derivation,
        )
        self._dead_rings = DeadRings(self._rings, self._problems, self._loaded, settings.remove_dead_after)
        self._segments = JournalSegments(
            directory, self._journal, self._loaded, settings.segment_bytes, settings.retain_bytes, self._verified
        )

    def run(self) -> bool:
        """Work until SIGTERM or SIGINT, then store what is there. A second signal ends the process at once.

        Returns:
            False if a thread of it is left in the database, which hangs, or works at somebody's query.
        """
        self._handle_signals()
        if self._settings.metrics_port is not None:
            serve_metrics(self._settings.metrics_port, self.status)
        loading = threading.Thread(target=self._load, name="loader", daemon=True)
        monitoring = threading.Thread(target=self._monitor, name="monitor", daemon=True)
        loading.start()
        monitoring.start()
        keeping = threading.Thread(target=self._keep, name="keeping", daemon=True)
        keeping.start()
        LOGGER.info("draining namespace %r into %s", self._settings.namespace, self._access.sink.destination)
        try:
            self._drain_until_stopped()
            self._drain_rest()
        except JournalLost:
            self._rings.close()  # for who has the directory now, or the next one
            self._loader.abandon.set()
            raise
        finally:
            patient_until = time.monotonic() + self._settings.stop_timeout
            until = patient_until + self._settings.stop_timeout  # for all threads: whatever hangs, hangs for all
            self._finish_loading(loading, patient_until, until)
            has_derived = self._derivation.finish(patient_until, until)
            self._stopped.set()
            monitoring.join()
            self._rings.close()
            self._journal.close()
            self._loader.close()
            keeping.join(max(0.0, until - time.monotonic()))
            has_ended = not (loading.is_alive() or keeping.is_alive()) and has_derived
            is_over = has_ended and self._access.close()
        LOGGER.info("stopped: %d records captured, %d stored", self._drain.captured, self._loader.stored)
        return is_over

    def _loaded(self) -> int:
        """Journal offset below which the database has everything."""
        return self._loader.checkpoint.lowest

    def stop(self) -> None:
        """Begin to stop, as SIGTERM does."""
        self._stopping.set()

    def status(self) -> dict[str, Any]:
        """The state of the writer, as in `status.json`."""
        loader, journal = self._loader, self._journal
        error = self._access.obstacle or loader.error
        segments = self._segments.present()
        return {
            "version": self._version,
            "pid": os.getpid(),
            "namespace": self._settings.namespace,
            "state": "stopped" if self._stopped.is_set() else "stopping" if self._stopping.is_set() else "running",
            "started_ns": self._started_ns,
            "updated_ns": time.time_ns(),
            "sink": {
                **described(self._engine),
                "database": self._database,
                "reachable": error is None,
                "error": error or loader.trouble or self._derivation.error,
            },
            "rings": len(self._rings.listed),
            "ring_counters": self._rings.counters,
            "removed_rings": self._dead_rings.removed,
            "lost_rings": len(self._rings.lost),
            "captured": self._drain.captured,
            "stored": loader.stored,
            "quarantined": loader.quarantine.count,
            "expired": self._verified.current.expired.count,
            "journal": {
                "begin": segments[0].base if segments else 0,
                "end": journal.durable_end,
                "durable": journal.durable_end,
                "checkpoint": loader.checkpoint.lowest,
                "segments": len(segments),
                "bytes": sum(segment.size for segment in segments),
            },
            "derivation": {"behind": self._derivation.behind, "late": self._derivation.late},
            "stragglers": [each.described(name) for name, each in loader.checkpoint.behind.items()],
            "latency_ms": loader.latency.summary(),
            "errors": self._problems.counts(),
        }

    # Start

    def _handle_signals(self) -> None:
        def handle(number: int, _: object) -> None:
            if self._stopping.is_set():
                LOGGER.warning("second signal: leaving at once; nothing is lost, the next start goes on from here")
                os._exit(128 + number)
            LOGGER.info("%s: storing what is there", signal.Signals(number).name)
            self._stopping.set()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, handle)

    # Drain, in the main thread

    def _drain_until_stopped(self) -> None:
        discover_at = look_after_at = 0.0
        idle, has_news = 0, True
        while not self._stopping.is_set():
            started = time.monotonic()
            if started >= discover_at:
                self._rings.discover()
                discover_at = started + DISCOVER_SECONDS
            if started >= look_after_at:
                self._rings.look_after()
                self._keep_name()
                self._dead_rings.remove()
                look_after_at = started + LOOK_AFTER_SECONDS
            count = self._drain.cycle() if has_news else None
            idle = idle + 1 if count is None else 0
            if count is None:
                pause = min(LONGEST_IDLE_SECONDS, 0.001 * idle)
                has_news = self._drain.wait(pause, pause if pause < LONGEST_IDLE_SECONDS else discover_at - started)
            elif count == 0:
                self._pause(STUCK_SECONDS)
            else:
                self._loader.news.set()
                if not self._drain.is_pressed:
                    self._pause(self._settings.sync_interval - (time.monotonic() - started))

    def _keep_name(self) -> None:
        try:
            self._journal.keep_name()
        except JournalFull as error:
            self._problems.report(error)

    def _check_owner(self) -> None:
        """Raise JournalLost if the data directory is gone, or another writer may have it."""
        if self._lock.keep():
            return
        pid = holder(self._directory.writer_lock)
        is_gone = not self._directory.writer_lock.exists()
        what = "was removed or renamed" if is_gone else f"has another {self._directory.writer_lock.name}"
        raise JournalLost(
            f"data directory {self._directory} {what}" + (f", held by process {pid}" if pid else ""),
            "this writer acknowledges nothing more and ends; put the directory back, or start one on the new directory",
        )

    def _pause(self, seconds: float) -> None:
        if seconds > LONGEST_IDLE_SECONDS:
            self._stopping.wait(seconds)
        elif seconds > 0:
            time.sleep(seconds)  # costs half of what waiting for an event does

    def _drain_rest(self) -> None:
        self._rings.discover()
        goals = {ring.file: ring.consumer.head for ring in self._rings.listed}
        while any(ring.consumer.position < goals.get(ring.file, 0) for ring in self._rings.listed):
            if not self._drain.cycle():
                break
        self._keep_name()

    # Loader, in its thread

    def _load(self) -> None:
        if not self._access.open_later(self._loader.abandon, self._loader.quarantine.read_again):
            return
        self._derivation.start()
        while True:
            try:
                self._loader.run()
                break
            except RingbufError as error:
                self._problems.report(error)
            except Exception:
                LOGGER.exception("the loader failed; it starts again from its checkpoint")
            if self._loader.abandon.wait(1.0):
                break

    def _keep(self) -> None:
        """Drop what is older than is to be kept, in a thread and on a connection of its own."""
        days = self._settings.keep_days
        if days is None:
            return
        with closing(ClickHouseSink(self._engine, self._database)) as sink:
            tables, verified = self._loader.tables, self._verified
            Keeping(self._directory, sink, tables, verified, self._loaded, self._problems, days).run(self._stopping)

    def _finish_loading(self, loading: threading.Thread, patient_until: float, until: float) -> None:
        self._loader.finishing.set()
        self._loader.news.set()
        loading.join(max(0.0, patient_until - time.monotonic()))
        self._loader.abandon.set()
        loading.join(max(0.0, until - time.monotonic()))

    # Monitor, in its thread

    def _monitor(self) -> None:
        file = StatusFile(self._directory.status)
        is_last = False
        while True:
            self._attempt(lambda: self._monitor_once(file))
            if is_last:
                return
            is_last = self._stopped.wait(INTERVAL_SECONDS)

    def _monitor_once(self, file: StatusFile) -> None:
        self._check_owner()  # else all this would be done to somebody else's directory
        self._attempt(lambda: file.show(self.status()))
        self._attempt(self._segments.retain)
        self._attempt(self._access.serve)

    def _attempt(self, action: Callable[[], None]) -> None:
        """What serves the monitors must never stop the writer."""
        try:
            action()
        except OSError as error:
            self._problems.report(JournalError(f"{self._directory.status} cannot be written: {error}"))
        except RingbufError as error:
            self._problems.report(error)
        except Exception:
            LOGGER.exception("the monitor failed; it goes on")


def run(data_dir: Path, server: Server | None, database: str, settings: Settings) -> bool:
    """Run a writer on a data directory until it is told to stop.

    Args:
        server: where the database is; None for the embedded one under the directory.

    Returns:
        False if a thread of it is left in the database: then the process should end with `os._exit`, for the embedded
        engine crashes or hangs in an orderly exit.

    Raises:
        RingbufError: it cannot start.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the password
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each ring takes three
    directory = DataDirectory(data_dir)
    lock = take(directory)
    try:
        return Writer(directory, lock, server or Embedded(directory.embedded), database, settings).run()
    finally:
        lock.close()
