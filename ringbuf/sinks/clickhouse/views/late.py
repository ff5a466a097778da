"""The view `late_reports`: one row per record that came when records of its order were gone."""

from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.table import quoted, table_name
from ringbuf.sinks.clickhouse.views.columns import of_execution

LATE_REPORTS: Final = {"order_key": "String", **of_execution(EXECUTION.names)}
"""The columns of `late_reports`, with their types."""


def late_reports(database: str) -> str:
    """The records, each with the key of the order that it tells of: `id:` and the venue's order id."""
    late = f"{quoted(database)}.late_records FINAL"
    return f"""
SELECT order_key, {", ".join(EXECUTION.names)}
FROM (SELECT session, seq, order_key FROM {late} WHERE order_key NOT IN ('')) AS late
ALL INNER JOIN (
    SELECT * FROM {table_name(EXECUTION, database)} FINAL
    WHERE (session, seq) IN (SELECT session, seq FROM {late})
) AS record USING (session, seq)"""
