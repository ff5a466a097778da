"""INSTRUMENTS: the built-in schema of instruments' specifications. Of one instrument the latest record counts.

Absent number = NaN, absent text = empty. Persisted, as EXECUTION is: add fields behind and raise the version.
"""

from typing import Final

import numpy as np

from ringbuf.record.enumerations import ContractKind
from ringbuf.record.schema import IDENTITY, Schema

INSTRUMENTS: Final = Schema(
    name="instruments",
    version=1,
    dtype=np.dtype(
        {
            "names": [
                *(name for name, _ in IDENTITY), "captured_ns", "kind", "multiplier", "tick", "step", "value_step",
                "exchange", "symbol", "base", "quote", "settle",
            ],
            "formats": ["<u8", "<u8", "<i8", "u1", "<f8", "<f8", "<f8", "<f8", "S16", "S64", "S16", "S16", "S16"],
            "offsets": [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 144, 160, 176],
            "itemsize": 192,
        }
    ),
    words={"kind": {int(kind): kind.name.lower() for kind in ContractKind}},
)  # fmt: skip
"""The schema of instruments; 192 bytes a record. What the fields mean, `ringbuf.trading.contract` says."""
