"""Questions of our own: each is answered by one value, whatever settings our user has.

The rows come as one value in one row, because users may be forbidden an answer of more than a few rows; as JSON, of
which a part cannot pass for the whole; and that is made in the statement, so that settings of formats do not count.
"""

import json
from typing import Any

_ROWS = "arrayStringConcat(groupArray(formatRowNoNewline('JSONCompactEachRow', *)), ',')"


def in_one_row(sql: str) -> str:
    """The statement that asks for the rows of another one as a single value, called `rows`."""
    return f"SELECT concat('[', {_ROWS}, ']') AS rows FROM ({sql})"


def rows_in(value: str | bytes) -> list[list[Any]]:
    """The rows in that value, each a list; numbers of 64 bits may be text.

    Raises:
        ValueError: it holds none.
    """
    try:
        rows = json.loads(value)
    except ValueError:
        rows = None  # as of a server whose disk is full, which answers with nothing
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError(f"{value[:80]!r} is no answer to what was asked")
    return rows
