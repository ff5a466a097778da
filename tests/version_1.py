"""The files that release 0.1.0 has left, with version 1 of EXECUTION; `tests/golden/version_1/README.md` lists them."""

import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np

from ringbuf.record.schema import Schema
from ringbuf.ring.registry import ring_path
from tests.checkout import GOLDEN

FILES: Final = GOLDEN / "version_1"
EXECUTION_1: Final = Schema.from_descriptor((GOLDEN / "execution_1.json").read_bytes().strip())


def bring_ring(name: str = "mm-btc") -> Path:
    """Put the ring into this test's namespace."""
    path = ring_path(name)
    shutil.copyfile(FILES / "mm-btc.ring", path)
    path.chmod(0o600)
    return path


def executions_1(count: int, session: int, first_seq: int = 0) -> np.ndarray[Any, np.dtype[np.void]]:
    """Fills as a strategy of version 1 records them."""
    golden = bytes.fromhex((GOLDEN / "execution_record_1.hex").read_text())
    records = np.frombuffer(bytearray(golden * count), EXECUTION_1.dtype)
    records["session"] = session
    records["seq"] = np.arange(first_seq, first_seq + count, dtype=np.uint64)
    records["captured_ns"] = 1_700_000_000_000_000_000 + records["seq"].astype(np.int64)
    records["trade_id"] = [f"T-{seq}" for seq in records["seq"]]
    return records
