"""No two processes ever make the same client order id, whenever they are killed and started again."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ringbuf.strategies.venues import ID_FORMATS
from tests.checkout import ROOT

STARTS = 40


@pytest.mark.parametrize("seed", range(2))
def test_processes_that_are_killed_and_started_again_never_make_an_id_twice(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, "-m", "tests.processes.strategies.id_process", str(tmp_path), str(STARTS), str(seed)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    made: Counter[tuple[str, ...]] = Counter()
    writers = sorted(tmp_path.glob("ids-*"))
    for each in writers:
        made.update(tuple(line.split()) for line in each.read_text().splitlines()[:-1])
    assert [each for each, times in made.items() if times > 1] == []
    assert len(writers) > STARTS / 4
    venues = Counter(venue for venue, _ in made)
    assert set(venues) == {name for name in venues if name in ID_FORMATS}
    assert len(venues) == len({id(each) for each in ID_FORMATS.values()})
    assert min(venues.values()) > STARTS
