"""What a database, or the way to it, says that went wrong, as an error of ours: one line, and no password in it."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from urllib3.exceptions import HTTPError, MaxRetryError

from ringbuf.errors import SinkError, SinkRefused, SinkUnavailable
from ringbuf.sinks.clickhouse import settings
from ringbuf.sinks.clickhouse.engine import PASSWORD_VARIABLE, USER_VARIABLE

REFUSALS: Final = {
    6: "CANNOT_PARSE_TEXT",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    69: "ARGUMENT_OUT_OF_BOUND",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    128: "TOO_LARGE_ARRAY_SIZE",
    131: "TOO_LARGE_STRING_SIZE",
    153: "ILLEGAL_DIVISION",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    395: "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
    691: "UNKNOWN_ELEMENT_OF_ENUM",
}
"""Codes by which the server, a constraint or a materialized view of the owner say that it is the data's fault.

Not 33, CANNOT_READ_ALL_DATA: what is sent is whole records, so if some are cut, it was on the way.
"""

_CREDENTIALS = f"check user and password ({USER_VARIABLE}, {PASSWORD_VARIABLE})"
_REFUSED = "if a constraint or a view refuses them wrongly, mend it, then run ringbuf resend"
_OWNER = "have the server's owner set it {} in the user's profile, or lift its constraint"
_VIEW = "if it is a view of ringbuf, a writer of this release creates it"
_COLUMN = "if it is a column of ringbuf, a writer of this release brings the database over"
_HINTS = {
    46: _VIEW,
    47: _COLUMN,
    60: _VIEW,
    81: "a writer creates it",
    193: _CREDENTIALS,
    194: _CREDENTIALS,
    452: _OWNER.format("so"),
    497: "grant the user what is missing",
    516: _CREDENTIALS,
}
MAY_NOT_SET: Final = (164, 452)
"""Codes of settings that this user may not change."""
_FIXED: Final = re.compile(r"Setting (\w+) should not be changed|Cannot modify '(\w+)' setting")
_EXCEPTION: Final = re.compile(r"DB::(?:Net)?Exception: ")
_ADDRESS: Final = re.compile(r"(\[[^\s\]]+\]|[^\s(),:]+):\d+")
_MAX_MESSAGE = 300


def code_of(error: Exception) -> int | None:
    """The server's code of an error; None if it does not come from the server."""
    return getattr(error, "code", None)


def translated(
    error: Exception, doing: str, without_secrets: Callable[[str], str], refusals: Mapping[int, str]
) -> SinkError:
    """The error of ours.

    Args:
        doing: what failed, and where.
        refusals: codes that are the data's fault, with their names.
    """
    code = code_of(error)
    name = getattr(error, "name", None) or refusals.get(code or 0, "")
    said = without_secrets(_message(error))
    what = f"{doing}: " + (f"code {code} {name}: {said}" if code else said)
    if code in refusals:
        return SinkRefused(what, _REFUSED)
    if (fixed := _FIXED.search(said)) and (needed := settings.NOW.get(fixed[1] or fixed[2])) is not None:
        return SinkUnavailable(what, _OWNER.format(f"to {needed}"))
    return SinkUnavailable(what, _HINTS.get(code or 0, ""))


def _message(error: Exception) -> str:
    """The first line of what the server said, of a cluster also who did not answer; or why it could not be asked."""
    cause: BaseException | None = error.__cause__ if isinstance(error.__cause__, HTTPError) else error
    if isinstance(cause, MaxRetryError) and cause.reason is not None:
        cause = cause.reason
    text = str(cause)
    if getattr(error, "code", None):
        text, _, log = text.partition(" Log: \n")
        text = _EXCEPTION.split(text)[-1].partition("\n")[0].removesuffix(f" ({getattr(error, 'name', '')})")
        if tried := _ADDRESS.search(log):  # and not the port here, which is another one each time
            text += f" {tried[0]} does not answer"
    elif text.startswith("HTTP"):
        text = text.partition("): ")[2] or text  # without the address, which is named already
    text = " ".join(text.split()) or type(cause).__name__
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…"


def is_cut(error: Exception) -> bool:
    """Whether the connection failed, and not what was asked."""
    return isinstance(error, HTTPError | OSError) or isinstance(error.__cause__, HTTPError | OSError)
