"""A condition of a statement is true of exactly the records that it stands for."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.keys import Chosen

SESSIONS = (1, 255, 256, 2**32 + 5, 2**63, 2**64 - 1)
STARTS = (0, 999_990, 5_000_000_000, 2**64 - 20)
WIDTH = 20
EVERY_RECORD = [(session, start + each) for session in SESSIONS for start in STARTS for each in range(WIDTH)]

ranges = st.builds(
    lambda session, start, offset, count: Range(session, start + offset, min(count, WIDTH - offset)),
    st.sampled_from(SESSIONS),
    st.sampled_from(STARTS),
    st.integers(0, WIDTH - 1),
    st.integers(1, WIDTH),
)


@pytest.mark.parametrize("analyzer", [1, 0], ids=["", "old analyzer"])
@settings(max_examples=60)
@given(st.lists(ranges, max_size=25))
@example([])
@example([Range(2**64 - 1, 2**64 - 20, 20), Range(1, 2**64 - 19, 3), Range(255, 2**64 - 2, 2)])
def test_a_condition_for_records_in_ranges_is_true_of_exactly_these(
    clickhouse_server: ClickHouse, analyzer: int, chosen: Sequence[Range]
) -> None:
    condition = Chosen(SeqSet(chosen).ranges).condition()
    with clickhouse_server.client(settings={"allow_experimental_analyzer": analyzer}) as client:
        found = client.query(
            "SELECT session, seq FROM (SELECT arrayJoin(CAST("
            f"{EVERY_RECORD}, 'Array(Tuple(UInt64, UInt64))')) AS record, record.1 AS session, record.2 AS seq)"
            f" WHERE {condition}"
        ).result_rows
    wanted = {record for record in EVERY_RECORD if SeqSet([Range(*record, 1)]) & SeqSet(chosen)}
    assert {(session, seq) for session, seq in found} == wanted
    assert len(found) == len(wanted)
