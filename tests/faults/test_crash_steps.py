"""The writer dies at every step that makes something durable, gives something away, or forgets something."""

import time
from pathlib import Path
from typing import Any

import pytest

from ringbuf.journal.step import Step
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.strategies import Recorder
from tests.kept_profit import compare_through
from tests.recorded import Recorded, check_derived, check_stored
from tests.steps import OF_DERIVING, OF_DROPPING, OF_STRAGGLERS
from tests.writer_process import QUICK, WriterProcess

ELSEWHERE = {Step.RECORD_QUARANTINED, Step.LATE_NOTED} | OF_STRAGGLERS | OF_DROPPING
"""Steps that need more than records coming in: test_quarantine.py, stragglers, test_keep_days.py."""

OFTEN = {Step.FILLS_DERIVED, Step.BUCKETS_MARKED}
"""Steps of deriving that come with each portion, and find other things there each time."""
ONCE = {Step.TABLE_ENSURED, Step.SESSIONS_STORED, Step.VERIFIED_NOTED, Step.SEGMENT_REMOVED} | (OF_DERIVING - OFTEN)
"""Steps that a short run takes once, or of which each time is like the first."""
OF_PROFIT = {Step.BUCKETS_MARKED, Step.TOTALS_WRITTEN, Step.TOTALS_REMOVED}
"""Steps after which profit is compared, too."""

CASES = [
    pytest.param(step, occurrence, id=f"{step.name.lower()}-{occurrence}")
    for step in Step
    for occurrence in (1, 3)
    if step not in ELSEWHERE and (occurrence == 1 or step not in ONCE)
]


@pytest.mark.parametrize(("step", "occurrence"), CASES)
def test_a_writer_killed_at_this_step_neither_loses_nor_doubles(
    step: Step, occurrence: int, clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    rings = [Recorded(f"ring-{number}") for number in range(3)]
    options = ["--clickhouse", clickhouse_server.url, "--database", database, "--stop-timeout", "60", *QUICK]
    with WriterProcess(data_dir, *options).start(kill_at=(step, occurrence)) as writer:
        while writer.is_alive:
            for ring in rings:
                ring.record(1 if step in OF_DERIVING else 20)  # all of them are derived before the test ends
            time.sleep(0.02)
        writer.wait_killed()
        for ring in rings:
            ring.record(50)
        writer.start().wait_running()
        for ring in rings:
            ring.record(50)
        writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings)
        check_derived(client, database, *rings)
        if step in OF_PROFIT:
            compare_through(client, database)


def test_a_fill_that_was_derived_before_the_kill_and_is_told_again_after_it_counts_once(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    """The checkpoint has not moved: the next writer derives the first report together with the second one."""
    bound = Recorder.open("mm").bind(exchange="x", account="a", symbol="s", strategy="z")
    told: dict[str, Any] = {"side": "buy", "last_price": 1.0, "last_quantity": 1.0, "order_id": "o", "trade_id": "t"}
    options = ["--clickhouse", clickhouse_server.url, "--database", database, *QUICK]
    with WriterProcess(data_dir, *options).start(kill_at=(Step.DERIVED_NOTED, 1)) as writer:
        bound.fill(**told, origin="lookback")
        writer.wait_killed()
        bound.fill(**told, origin="live")
        writer.start().wait_running()
        wait_until(
            lambda: writer.status()["journal"]["checkpoint"] == writer.status()["journal"]["end"], "all is stored"
        )
        writer.stop()
    assert clickhouse_server.rows(f"SELECT copies, origin FROM {database}.fills") == [(2, "live")]
    assert clickhouse_server.rows(f"SELECT fills FROM {database}.positions") == [(1,)]
