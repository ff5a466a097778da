"""Whether somebody has changed or deleted rows of the tables that are derived.

A writer only inserts into them, and empties them. Whoever updates or deletes rows makes a *mutation* of the table,
which the server lists. One since everything was last derived anew has left rows that nobody can trust.
"""

from collections.abc import Collection
from typing import Final

from ringbuf.errors import SinkUnavailable
from ringbuf.sinks.clickhouse.derived_table import Statements
from ringbuf.sinks.clickhouse.noted import Noted
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.sinks.clickhouse.views.time import NS

_OF_ROWS: Final = r"^\(?(UPDATE|DELETE|CLEAR COLUMN) "
"""What a mutation begins with that may change rows; others only write parts anew, as for an index."""


def altered(statements: Statements, tables: Collection[str]) -> list[str]:
    """Those of some tables of which somebody has changed or deleted rows since everything was derived anew.

    The server tells in whole seconds when it was. What was done in this second is told in the next one, so that
    nothing is told twice.

    Returns:
        none, too, if our user may not know.

    Raises:
        SinkUnavailable: the database cannot be asked when that was.
    """
    since = Noted(statements).generation() // NS
    second = "toUnixTimestamp(create_time)"
    try:
        rows = statements.ask(
            f"SELECT DISTINCT table FROM {statements.layout.everywhere('system.mutations')}"
            f" WHERE database = {literal(statements.layout.local)} AND table IN ({', '.join(map(literal, tables))})"
            f" AND {second} >= {since} AND {second} < intDiv({statements.layout.now}, {NS})"
            f" AND match(command, {literal(_OF_ROWS)})"
        )
    except SinkUnavailable:
        return []
    return sorted(name for (name,) in rows)
