"""The native core's recorder in front of the pure one, told from the schema where everything is."""

from types import ModuleType
from typing import Any, Final, cast

import numpy as np

from ringbuf.record.execution import ENUMERATIONS, EXECUTION, ExecType
from ringbuf.record.words import TABLES
from ringbuf.ring import layout
from ringbuf.ring.producer import Producer
from ringbuf.strategies.bound_recorder import BoundRecorder, ExecutionFields

_OFFSETS: Final = {name: offset for name, (_, offset) in EXECUTION.fields.items()}


def _describe(name: str) -> tuple[str, int, int, dict[str | int, int] | None, type | None]:
    dtype, offset = EXECUTION.fields[name]
    return dtype.kind, offset, dtype.itemsize, TABLES.get(name), ENUMERATIONS.get(name)


_FIELDS: Final = {name: _describe(name) for name in sorted(ExecutionFields.__optional_keys__)}


def native_recorder(core: ModuleType, producer: Producer, pure: BoundRecorder) -> BoundRecorder:
    """A recorder that does in C what `pure` would do with the usual values, and hands it all the rest.

    Args:
        core: the module `ringbuf.ring._native`.
    """
    order, fill = pure.templates()
    recorder: Any = core.BoundRecorder(
        producer,
        producer.memory,
        head=layout.HEAD,
        tail=layout.TAIL,
        slots=layout.HEADER_SIZE,
        capacity=producer.capacity,
        record_size=EXECUTION.record_size,
        stamps=(_OFFSETS["seq"], _OFFSETS["captured_ns"]),
        complete=(
            _OFFSETS["exec_type"],
            int(ExecType.FILL),
            _OFFSETS["side"],
            _OFFSETS["last_price"],
            _OFFSETS["last_quantity"],
        ),
        fields=_FIELDS,
        float64=np.float64,
        order=order,
        fill=fill,
        pure_order=pure.order,
        pure_fill=pure.fill,
    )
    return cast(BoundRecorder, recorder)
