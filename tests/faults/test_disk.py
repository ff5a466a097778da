"""The disk of the data directory is full, or takes only a part of what is written, or has changed a file."""

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ringbuf.errors import JournalFull
from ringbuf.journal.files import Files
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.record.execution import EXECUTION
from ringbuf.record.seqs import Range
from ringbuf.ring.observer import Observer
from ringbuf.state import checkpoint, quarantine
from ringbuf.state.checkpoint import Checkpoint
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.quarantine import Entry, Quarantine
from tests.proxy import Proxy
from tests.recorded import Recorded, check_stored, wait_stored
from tests.writer_process import PatchedWriter, WriterProcess

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@contextmanager
def largest_file(size: int, pid: int = 0) -> Iterator[None]:
    """No file of a process can grow beyond so many bytes: a write that would is cut short, the next one fails."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)


def consumer_pid(ring: Recorded) -> int:
    """The process that drains a ring."""
    with closing(Observer.open(ring.ring)) as observer:
        return observer.state().consumer_pid


def test_a_disk_that_takes_half_a_line_quarantines_nothing_until_it_takes_the_whole(tmp_path: Path) -> None:
    kept = Quarantine(DataDirectory(tmp_path).quarantine)
    kept.add_records(EXECUTION, Range(1, 0, 1), bytes(EXECUTION.record_size), "first")
    size = DataDirectory(tmp_path).quarantine.stat().st_size
    with largest_file(size + 100), pytest.raises(JournalFull, match="cannot be written"):
        kept.add_records(EXECUTION, Range(1, 1, 1), bytes(EXECUTION.record_size), "second")
    assert kept.count == 1
    kept.add_records(EXECUTION, Range(1, 1, 1), bytes(EXECUTION.record_size), "second")
    entries = [entry for entry in quarantine.read(DataDirectory(tmp_path).quarantine) if isinstance(entry, Entry)]
    assert [entry.range for entry in entries] == [Range(1, 0, 1), Range(1, 1, 1)]
    assert Quarantine(DataDirectory(tmp_path).quarantine).count == 2


def test_a_disk_that_is_full_for_a_while_delays_and_loses_nothing(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    """Before its first byte, in the middle of a frame, and at a restart meanwhile."""
    ring = Recorded("mm")
    arguments = ["--clickhouse", clickhouse_server.url, "--database", database, "--flush-ms", "10"]
    with WriterProcess(data_dir, *arguments) as writer:
        writer.wait_running()
        ring.record(20)
        wait_stored(clickhouse_server, database, ring)
        (segment,) = (data_dir / "journal").glob("*.journal")
        for size in (0, segment.stat().st_size + 1_000):
            with largest_file(size, writer.pid):
                ring.record(20)
                time.sleep(0.3)  # nothing can tell that it has tried
                assert ring.recorder.producer.lag == 20
            wait_stored(clickhouse_server, database, ring)
        with largest_file(0):  # is inherited
            writer.kill()
            writer.start()
            ring.record(20)
            pid = writer.pid
        wait_until(lambda: consumer_pid(ring) == pid, "the new writer is attached")
        assert ring.recorder.producer.lag == 20
        resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)
        wait_stored(clickhouse_server, database, ring)
        writer.stop()
    assert ring.full == 0
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


class WriterOnSmallDisk(PatchedWriter):
    """A writer that believes its disk to have 6 MB besides what the journal may not take."""

    patch = """
        import os
        from pathlib import Path
        from types import SimpleNamespace
        from ringbuf.writer.drain.disk_space import RESERVED_BYTES

        def statvfs(directory):
            used = sum(path.stat().st_size for path in Path(directory).glob("*.journal"))
            return SimpleNamespace(f_bavail=RESERVED_BYTES + 6_000_000 - used, f_frsize=1)

        os.statvfs = statvfs
    """


def test_a_journal_that_fills_its_disk_in_an_outage_empties_it_by_itself_afterwards(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    """What does not fit stays in the rings; the loader is left the space it needs, and loaded segments are given up."""
    ring = Recorded("mm")
    with Proxy(clickhouse_server.host, clickhouse_server.http_port) as proxy:
        arguments = ["--clickhouse", proxy.url, "--database", database, "--segment-mb", "1"]
        with WriterOnSmallDisk(data_dir, *arguments) as writer:
            writer.wait_running()
            proxy.refuse()
            ring.record(12_000)  # 8.4 MB
            wait_until(lambda: "are kept for the loader" in writer.log, "the disk is full")
            assert ring.recorder.producer.lag > 2_000
            size = sum(path.stat().st_size for path in (data_dir / "journal").glob("*.journal"))
            assert 5_000_000 < size < 6_100_000
            proxy.listen()
            wait_stored(clickhouse_server, database, ring)
            writer.stop()
    assert ring.full == 0
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_the_state_of_the_loader_is_on_the_disk_before_it_gets_its_name_and_its_name_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    checkpoint.save(DataDirectory(tmp_path).checkpoint, Checkpoint("database", 64), noting(calls, monkeypatch))
    assert calls == ["fsync loader.tmp", "replace loader.json", f"fsync {tmp_path.name}"]


def test_a_quarantined_record_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    kept = Quarantine(DataDirectory(tmp_path).quarantine, noting(calls, monkeypatch))
    kept.add_records(EXECUTION, Range(1, 0, 1), bytes(EXECUTION.record_size), "first")
    assert calls == ["fsync quarantine.jsonl"]


def noting(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> Files:
    """A disk that notes what is synced and renamed, in order."""
    replace = os.replace

    def noting_fsync(fd: int) -> None:
        calls.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")
        os.fsync(fd)

    def noting_replace(source: Path, target: Path) -> None:
        calls.append(f"replace {target.name}")
        replace(source, target)

    monkeypatch.setattr(os, "replace", noting_replace)
    return Files(fsync=noting_fsync)


def test_a_damaged_state_of_the_loader_costs_time_and_no_record(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    """All of the journal is in doubt then, and settled by asking the database."""
    ring = Recorded("mm")
    state = DataDirectory(data_dir).checkpoint
    damages: list[Callable[[bytes], bytes]] = [
        lambda content: b"",
        lambda content: content[:-20],
        lambda content: content.replace(b'"offset":', b'"offset":1'),
    ]
    arguments = ["--clickhouse", clickhouse_server.url, "--database", database, "--flush-ms", "10"]
    with WriterProcess(data_dir, *arguments) as writer:
        for number, damage in enumerate(damages):
            ring.record(50)
            writer.wait_running()
            wait_stored(clickhouse_server, database, ring)
            writer.kill()
            state.write_bytes(damage(state.read_bytes()))
            ring.record(50)
            writer.start().wait_running()
            assert len(list(data_dir.glob("loader.damaged-*"))) == number + 1
        writer.kill()
        state.unlink()
        writer.start().wait_running().stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, ring)


def test_a_state_of_a_later_version_is_left_alone(clickhouse_server: ClickHouse, database: str, data_dir: Path) -> None:
    with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
        writer.wait_running().stop()
        state = DataDirectory(data_dir).checkpoint
        content = state.read_bytes().replace(b'"version":2', b'"version":3')
        state.write_bytes(content)
        process = writer.start().process
        assert process is not None
        assert process.wait(20) == 1
    assert "version 3, this release reads versions 1 to 2" in writer.log
    assert state.read_bytes() == content
