"""A strategy of the soak: records as fast as told until SIGTERM, and logs the truth beside it.

`python -m tests.soak.strategy RING LOG SEED RECORDS_PER_SECOND`
"""

import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from ringbuf.strategies import Recorder
from tests.recorded import random_fill
from tests.soak.truth import TruthLog

TICK_SECONDS: Final = 0.01
BURST: Final = 300


def fill(ring: str, number: int, seed: int) -> dict[str, Any]:
    """The values of the nth record of a ring."""
    draw = random.Random(f"{seed} {ring} {number}")
    return random_fill(draw) | {
        "client_order_id": f"{ring}-{number}",
        "order_id": f"o-{ring}-{number // 3}",
        "trade_id": f"t-{draw.randrange(10**12)}",
    }


def main(ring: str, path: Path, seed: int, rate: float) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    log = TruthLog(path)
    fixed = {"exchange": "deribit", "account": "A-1", "symbol": "BTC-PERPETUAL", "strategy": ring}
    with Recorder.open(ring) as recorder:
        log.note_session(recorder.producer.session)
        bound = recorder.bind(**fixed)
        pace = random.Random(f"{seed} {ring} {log.begun}")
        started, due = time.monotonic(), 0.0
        recorded = 0
        while not stop.wait(TICK_SECONDS):
            due = max(due, rate * (time.monotonic() - started))
            if pace.random() < 0.001:
                due += BURST
            while recorded < due and not stop.is_set():
                values = fill(ring, log.begun, seed)
                log.begin({**values, **fixed})
                log.end(bound.fill(**values))
                recorded += 1


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
