"""How long records gather for the next batch."""

import pytest

from ringbuf.writer.load.loader import pause_seconds


@pytest.mark.parametrize("took", [0.001, 0.02, 0.06875, 0.07, 0.1, 0.125])
def test_a_record_that_missed_a_batch_is_in_the_answers_in_time(took: float) -> None:
    assert took + pause_seconds(took) + took <= 0.55 + 1e-9


@pytest.mark.parametrize(("took", "pause"), [(0.001, 0.02), (0.06, 0.43), (0.1, 0.35), (0.2, 0.3), (10.0, 0.3)])
def test_records_gather_for_as_long_as_that_allows_and_behind_a_slow_database_too(took: float, pause: float) -> None:
    assert pause_seconds(took) == pytest.approx(pause)
