"""The writer dies at any step while a schema is behind or catches up."""

import time
from collections.abc import Callable

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.journal.step import Step
from tests.numbered import Numbered, stragglers, wait_behind, wait_caught_up
from tests.recorded import Recorded, check_stored
from tests.steps import OF_DERIVING, OF_DROPPING
from tests.writer_process import WriterProcess

ELSEWHERE = {Step.RECORD_QUARANTINED} | OF_DERIVING | OF_DROPPING
"""Steps that have nothing to do with it: test_crash_steps.py, test_keep_days.py."""

CASES = [
    pytest.param(step, occurrence, id=f"{step.name.lower()}-{occurrence}")
    for step in Step
    if step not in ELSEWHERE
    for occurrence in ((1, 4) if step.name.startswith(("STRAGGLER", "STATE", "INSERT")) else (1,))
]


@pytest.mark.parametrize(("step", "occurrence"), CASES)
def test_a_writer_killed_at_this_step_while_a_schema_is_behind_or_catches_up_neither_loses_nor_doubles(
    step: Step,
    occurrence: int,
    writer: WriterProcess,
    numbered: Callable[[str], Numbered],
    client: Client,
    database: str,
) -> None:
    ring, ticks = Recorded("mm"), numbered("ticks")
    writer.start(kill_at=(step, 1 << 30)).wait_running()  # with small limits, and never
    ticks.record(1)
    ticks.wait_stored()
    ticks.spoil()
    ticks.record(100)
    wait_behind(writer, "ticks")
    if step in (Step.SCHEMA_FELL_BEHIND, Step.STRAGGLER_INTENDED):
        ticks.mend()
        wait_caught_up(writer)
    writer.stop()
    ticks.spoil()
    is_spoilt = True
    writer.start(kill_at=(step, occurrence))
    end = time.monotonic() + 60
    while writer.is_alive:
        assert time.monotonic() < end, f"never: {step}"
        ring.record(20)
        ticks.record(20)
        time.sleep(0.02)
        if is_spoilt and stragglers(writer).get("ticks", {}).get("records", 0) > 1_500:
            ticks.mend()
            is_spoilt = False
    writer.wait_killed()
    ring.record(50)
    ticks.record(50)
    writer.start().wait_running()
    ring.record(50)
    if is_spoilt:
        wait_behind(writer, "ticks")
        ticks.mend()
    ticks.wait_stored()
    wait_caught_up(writer)
    writer.stop()
    ticks.check()
    check_stored(client, database, ring)
