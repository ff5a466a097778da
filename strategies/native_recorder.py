"""The native core's recorder in front of the pure one, told from the schema where everything is."""

from types import ModuleType
from typing import Any, Final, cast

import numpy as np

from ringbuf.record.execution import REAR, RECORD_SIZE, ExecType, Origin
from ringbuf.record.fields import BY_NAME, Given, Kind, names
from ringbuf.record.timestamp import UNCLEAR
from ringbuf.record.words import TABLES
from ringbuf.ring import layout
from ringbuf.ring.producer import Producer
from ringbuf.strategies.bound_recorder import BOUND, BoundRecorder

_CODES: Final = {Kind.WORD: "u", Kind.INTEGER: "u", Kind.TIME: "i", Kind.NUMBER: "f", Kind.TEXT: "S"}


def _describe(name: str) -> tuple[str, int, int, dict[str | int, int] | None, type | None]:
    field = BY_NAME[name]
    code = "-" if field.given is Given.BIND else _CODES[field.kind]
    return code, field.offset, field.width, TABLES.get(name), field.words


_FIELDS: Final = {name: _describe(name) for name in (*names(given=Given.CALL), *BOUND)}


def native_recorder(core: ModuleType, producer: Producer, pure: BoundRecorder) -> BoundRecorder:
    """A recorder that does in C what `pure` would do with the usual values, and hands it all the rest.

    Args:
        core: the module `ringbuf.ring._native`.
    """
    at = {name: field.offset for name, field in BY_NAME.items()}
    order, fill = pure.templates()
    recorder: Any = core.BoundRecorder(
        producer,
        producer.memory,
        head=layout.HEAD,
        tail=layout.TAIL,
        slots=layout.HEADER_SIZE,
        capacity=producer.capacity,
        record_size=RECORD_SIZE,
        rear=REAR,
        stamps=(at["seq"], at["captured_ns"]),
        complete=(
            at["exec_type"],
            int(ExecType.FILL),
            at["side"],
            at["last_price"],
            at["last_quantity"],
        ),
        unclear=(*UNCLEAR, at["origin"], int(Origin.SIMULATED)),
        fields=_FIELDS,
        float64=np.float64,
        order=order,
        fill=fill,
        pure_order=pure.order,
        pure_fill=pure.fill,
        pure_order_of=pure.order_of,
    )
    return cast(BoundRecorder, recorder)
