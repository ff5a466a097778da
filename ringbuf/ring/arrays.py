"""Arrays of records as callers give them to a producer."""

from typing import Any

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.schema import Schema

Record = np.ndarray[Any, np.dtype[np.void]]


def one_record(values: Any, schema: Schema) -> np.void:
    """The one record that these values are.

    Raises:
        RecordError: they are something else, or of another dtype.
    """
    if not isinstance(values, np.ndarray | np.void) or values.dtype != schema.dtype or values.size != 1:
        raise RecordError(f"append takes one record of {schema.dtype}, not {_kind(values)}")
    record: np.void = values if isinstance(values, np.void) else values.reshape(1)[0]
    return record


def check_records(records: object, schema: Schema) -> None:
    """Make sure that these are records, shape (n,).

    Raises:
        RecordError: they are something else, or of another dtype.
    """
    if not isinstance(records, np.ndarray) or records.ndim != 1 or records.dtype != schema.dtype:
        raise RecordError(f"extend takes a 1-d array of {schema.dtype}, not {_kind(records)}")


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray | np.void):
        return f"an array of shape {value.shape} and {value.dtype}"
    return repr(value)
