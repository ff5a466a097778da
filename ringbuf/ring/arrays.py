"""Arrays of records as callers give them to a producer."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ringbuf.errors import RecordError
from ringbuf.record.schema import IDENTITY, Schema
from ringbuf.record.value import encode

Record = np.ndarray[Any, np.dtype[np.void]]

_IDENTITY: Final = frozenset(name for name, _ in IDENTITY)


def whole(records: Record) -> Record:
    """The same records in the same memory, to be copied with the bytes that belong to no field.

    Between records numpy copies the fields alone; but what a slot has between them must be zero as FORMAT says, and
    nothing that was there before.
    """
    return records.view(f"V{records.dtype.itemsize}")


def set_fields(scratch: Record, fields: Mapping[str, Any], schema: Schema) -> None:
    """Set fields of the one record in an array, by name.

    Raises:
        RecordError: a value cannot be stored unchanged, or a field is not there for the caller to set.
    """
    if not fields.keys().isdisjoint(_IDENTITY):
        raise RecordError("session and seq are set by the producer", "leave them out")
    for name, value in fields.items():
        scratch[name] = encode(schema, name, value)


def one_record(values: Any, fields: Mapping[str, Any], schema: Schema) -> np.void:
    """The one record that these values are.

    Raises:
        RecordError: they are something else, or of another dtype, or there are fields beside them.
    """
    if fields:
        raise RecordError("append takes a record or fields, not both", "set the fields in the record")
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
