"""Processes whose rings' names vanish: they notice by themselves, about once a second."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ringbuf.errors import RingIncomplete
from ringbuf.launch.waiting import wait_until
from ringbuf.ring import name_watch, registry
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observer
from ringbuf.ring.producer import Producer
from tests.checkout import ROOT
from tests.processes.ring.process import MARK
from tests.told_strategy import ToldStrategy

NAME = "mm-btc"


@pytest.fixture
def path(namespace: str) -> Path:
    return registry.ring_path(NAME, namespace)


def trades(name: str = NAME) -> list[bytes]:
    with Observer.open(name) as observer:
        found: list[bytes] = observer.read(0).records["trade_id"].tolist()
        return found


def trades_so_far() -> list[bytes]:
    """Of a ring that is perhaps being made."""
    try:
        return trades()
    except RingIncomplete:
        return []


def test_a_strategy_notices_by_itself_and_what_it_recorded_outlives_its_death(implementation: str, path: Path) -> None:
    with ToldStrategy(NAME) as strategy:
        assert strategy.record(3) == 2
        path.unlink()
        assert strategy.record(1) == 3
        wait_until(path.exists, "the ring has its name again")
        wait_until(lambda: trades_so_far() == [b"0", b"1", b"2", b"3"], "the ring has its records again")
        strategy.process.send_signal(signal.SIGKILL)
        strategy.process.wait()
    assert trades() == [b"0", b"1", b"2", b"3"]
    with Consumer.open(NAME) as consumer:
        assert (consumer.lag, consumer.look_for_producer(time.time_ns())) == (4, False)


@pytest.mark.parametrize("end", ["close", "leave"])
def test_a_strategy_that_ends_right_after_its_ring_was_removed_leaves_it_behind(end: str, path: Path) -> None:
    with ToldStrategy(NAME) as strategy:
        assert strategy.record(1) == 0
        path.unlink()
        assert strategy.record(1) == 1
        strategy.close() if end == "close" else strategy.leave()
    assert trades() == [b"0", b"1"]


def test_an_idle_process_wakes_once_a_second_and_one_without_rings_has_no_thread() -> None:
    def thread_names() -> list[str]:
        return [thread.name for thread in threading.enumerate()]

    with Producer.open(NAME, MARK, capacity=2):
        assert thread_names().count("ring names") == 1
        with Producer.open("another", MARK, capacity=2):
            assert thread_names().count("ring names") == 1
    for leftover in list(name_watch.watched):
        name_watch.unwatch(leftover)
    wait_until(lambda: "ring names" not in thread_names(), "the thread ends")


def test_a_forked_child_leaves_its_parents_names_alone_and_looks_after_its_own(path: Path, namespace: str) -> None:
    program = f"""
import os, signal
from ringbuf import Producer
from ringbuf.launch.waiting import wait_until
path, of_child = {str(path)!r}, {str(path)!r}.replace({NAME!r}, "child")
parent = Producer.open({NAME!r}, capacity=2)
if os.fork() == 0:
    os.kill(os.getppid(), signal.SIGSTOP)  # so that nobody but the child could name the parent's ring
    own = Producer.open("child", capacity=2)
    os.unlink(path)
    for look in range(2):
        os.unlink(of_child)
        wait_until(lambda: os.path.exists(of_child), "the child's ring has its name again")
    is_left_alone = not os.path.exists(path)
    os.kill(os.getppid(), signal.SIGCONT)
    os._exit(0 if is_left_alone else 1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
wait_until(lambda: os.path.exists(path), "the parent's ring has its name again")
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "0\n"


# /dev/shm itself


def unshared(*mounts: str) -> tuple[str, ...]:
    """The beginning of a command with a /dev/shm of its own; the test is skipped where that is not allowed."""
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("to mount a /dev/shm of its own, a process must be root and may unshare its mounts")
    return ("unshare", "-m", "sh", "-c", f'{"; ".join(mounts)}; exec "$@"', "sh")


def run_unshared(program: str, *mounts: str) -> dict[str, Any]:
    command = [*unshared(*mounts), sys.executable, "-c", program]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


REMOUNTED = """
import json, subprocess
from ringbuf import Observer, Producer, Schema
from ringbuf.errors import RingIncomplete
from ringbuf.launch.waiting import wait_until
from ringbuf.ring import registry
schema = Schema.define("marks", [("value", "u8")])
producers = [Producer.open(f"ring-{number}", schema, capacity=8) for number in range(3)]
before = [producer.append(value=1) for producer in producers]
inodes = sorted(file.inode for file in registry.ring_files())
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", "/dev/shm"], check=True)
assert registry.ring_names() == []
after = [producer.append(value=2) for producer in producers]
def values_of(name):
    try:
        with Observer.open(name) as observer:
            return observer.read(0).records["value"].tolist()
    except RingIncomplete:
        return []
wait_until(lambda: all(map(values_of, names := registry.ring_names())) and len(names) == 3, "all have their names")
values = [values_of(name) for name in registry.ring_names()]
print(json.dumps({"values": values, "inodes": [inodes, sorted(file.inode for file in registry.ring_files())]}))
"""


def test_when_dev_shm_is_mounted_anew_every_ring_is_made_anew_in_it() -> None:
    """There the inodes begin again, so they alone do not tell one file from another."""
    found = run_unshared(REMOUNTED, "mount -t tmpfs -o size=8m none /dev/shm")
    assert found["values"] == [[1, 2]] * 3
    assert found["inodes"][0] == found["inodes"][1]


FULL_SHM = """
import json, os
from ringbuf import Observer, Producer, Schema
from ringbuf.errors import RingIncomplete, RingNotFound
from ringbuf.launch.waiting import wait_until
from ringbuf.ring import name_watch, registry
def opened():
    try:
        return Observer.open("mm")
    except (RingNotFound, RingIncomplete):  # a name whose ring gets no room is there for the moment of the attempt
        return None
schema = Schema.define("marks", [("value", "u8")])
producer = Producer.open("mm", schema, capacity=16384)
producer.append(value=1)
room = os.statvfs("/dev/shm")
with open("/dev/shm/ballast", "wb") as file:
    os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize)
os.unlink(registry.ring_path("mm"))  # its memory stays taken
refusals = []
name_watch.LOGGER.addFilter(lambda record: refusals.append(record.getMessage()) or True)
wait_until(lambda: refusals, "the ring is refused a place")
refused = opened() is None
producer.append(value=2)
os.unlink("/dev/shm/ballast")
wait_until(lambda: opened() is not None, "the ring has its name again")
with opened() as observer:
    values = observer.read(0).records["value"].tolist()
print(json.dumps({"refused": refused, "reason": "needs 409,600 bytes" in refusals[0], "values": values}))
"""


def test_in_a_full_dev_shm_the_ring_waits_in_memory_until_there_is_room() -> None:
    found = run_unshared(FULL_SHM, "mount -t tmpfs -o size=2m none /dev/shm")
    assert found == {"refused": True, "reason": True, "values": [1, 2]}


LEFT_BEHIND = """
import json
from ringbuf import Consumer, Producer, Schema
from ringbuf.errors import RingMemory
schema = Schema.define("marks", [("value", "u8")])
for number in range(5):
    with Producer.open(f"run-{number}", schema, capacity=8192) as producer:
        producer.append(value=number)
    if number:
        with Consumer.open(f"run-{number}") as consumer:
            consumer.poll()
            consumer.acknowledge(0)
try:
    Producer.open("next", schema, capacity=8192)
except RingMemory as error:
    print(json.dumps({"hint": error.hint}))
"""


def test_an_error_for_a_full_dev_shm_names_what_could_go(namespace: str) -> None:
    found = run_unshared(LEFT_BEHIND, "mount -t tmpfs -o size=1100k none /dev/shm")
    size = 16_384 + 8192 * 24
    assert found["hint"].startswith(
        f"`RINGBUF_NAMESPACE={namespace} ringbuf rm --drained` frees {4 * size:,} bytes of rings that are read to their"
        " end and whose processes have ended: run-1, run-2, run-3 and 1 more; make /dev/shm larger"
    )
