"""A strategy that hedges is killed between any two of its steps: nothing is hedged twice or stays unhedged."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from tests.checkout import ROOT


def test_killed_between_any_two_steps_a_hedger_hedges_each_quantity_once(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.processes.strategies.hedging", str(tmp_path)]
    environ = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    *ends, steps = map(json.loads, run.stdout.splitlines())
    assert len(ends) == steps - 1 > 15
    for owed, filled, working, balance, orders in ends:
        assert (Fraction(owed), Fraction(working), Fraction(balance)) == (
            Fraction(-21, 10),
            Fraction(0),
            Fraction(-1, 10),
        )
        assert sum(Fraction(each["quantity"]) for each in orders) == -Fraction(filled) == 2
        assert {each["side"] for each in orders} == {"sell"}
        assert len({each["client_order_id"] for each in orders}) == len(orders)
