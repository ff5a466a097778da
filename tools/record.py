"""Records as people read them: the same words and texts as in the database."""

from collections.abc import Sequence
from typing import Any

from ringbuf.record.execution import Flag
from ringbuf.record.fields import FIELDS
from ringbuf.record.number import EXACT, exact_number
from ringbuf.record.rows import Row, word_of
from ringbuf.record.schema import Schema
from ringbuf.tools.output import ABSENT, printable, time_text

_IDS = (
    "order_id",
    "trade_id",
    "client_order_id",
    "orig_client_order_id",
    "link_id",
    "report_id",
    "ref_id",
    "position_id",
)
_MORE = ("position_side", "trade_type", "user", "last_market", "text")
_FIRST_VERSION = frozenset(each.name for each in FIELDS if each.version == 1)


def line(schema: Schema, row: Row, fields: Sequence[str] = ()) -> str:
    """A record on one line, for people.

    Args:
        row: all fields, as `rows` gives them.
        fields: which fields to show; if empty, what matters most of an execution, and all that is present of others.
    """
    if schema.fields.keys() >= _FIRST_VERSION and not fields:
        return _execution(schema, row)
    shown = fields or [name for name in schema.names if name not in ("session", "seq", "captured_ns")]
    values = [f"{name}={_shown(schema, name, row[name])}" for name in shown if fields or _is_present(schema, name, row)]
    start = [] if fields else [time_text(row["captured_ns"])] if "captured_ns" in row else []
    return "  ".join([*start, f"#{row['seq']}", *values])


def number_text(value: float | str | None) -> str:
    """A number in its shortest text, without a fraction that is zero."""
    if value is None:
        return ABSENT
    text = str(value)
    return text.removesuffix(".0")


def _counted(row: Row, name: str) -> str:
    """A number of an execution with all its digits, also those that no f64 holds."""
    whole = exact_number({EXACT: row.get(EXACT)}, name)
    return number_text(row[name]) if whole is None else f"{whole:f}"


def _execution(schema: Schema, row: Row) -> str:
    is_of_trade = row["exec_type"] in ("fill", "trade_correct", "trade_cancel")
    if is_of_trade or (row["exec_type"] == "calculated" and row["last_quantity"] is not None):
        amount = f"{_counted(row, 'last_quantity')}@{_counted(row, 'last_price')}"
    else:
        amount = f"{_counted(row, 'cumulative_quantity')}/{_counted(row, 'quantity')}@{_counted(row, 'price')}"
    ids = [f"{name.removesuffix('_id')}={printable(row[name])}" for name in _IDS if row.get(name)]
    rest = [f"{name}={printable(row[name])}" for name in _MORE if name in row and _is_present(schema, name, row)]
    if row["flags"]:
        rest.append(f"flags={_flags(row['flags'])}")
    return "  ".join(
        [
            time_text(row["captured_ns"]),
            f"#{row['seq']}",
            f"{row['exec_type']:<11}",
            f"{row['order_status']:<16}",
            f"{row['side']:<4}",
            f"{amount:<16}",
            f"{printable(row['symbol'])}",
            f"{printable(row['exchange'])}/{printable(row['account'])}",
            *ids,
            *rest,
        ]
    )


def _flags(value: int) -> str:
    known = [flag for flag in Flag if value & flag]
    unknown = value & ~sum(known)
    return "|".join([flag.name.lower() for flag in known if flag.name] + ([str(unknown)] if unknown else []))


def _is_present(schema: Schema, name: str, row: Row) -> bool:
    value = row[name]
    absent = value is None or value == "" or (name in schema.words and value == word_of(schema, name)(0))
    return not absent and not (value == 0 and schema.is_time(name))


def _shown(schema: Schema, name: str, value: Any) -> str:
    if schema.is_time(name):
        return time_text(value)
    return number_text(value) if isinstance(value, float) or value is None else printable(str(value))
