"""The table of the records of funding: copies of those in EXECUTION, since a question cannot look through all records.

Payments are made of it by the view `funding_payments`, which merges what tells of the same payment.
"""

from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.derived_table import DerivedTable
from ringbuf.sinks.clickhouse.table import quoted, table_name
from ringbuf.sinks.clickhouse.views.columns import of_execution
from ringbuf.sinks.clickhouse.views.reports import FUNDING

COLUMNS: Final = (
    "session", "seq", "captured_ns", "exchange_ns", "origin", "exec_type", "trade_type", "exchange", "account",
    "symbol", "position_side", "position_id", "strategy", "trade_id", "report_id", "commission", "commission_currency",
    "other_commission", "other_commission_currency", "exact",
)  # fmt: skip

TABLES: Final = {
    "funding_records": DerivedTable(
        of_execution(COLUMNS), "ReplacingMergeTree", "session, seq", {"session": "0", "seq": "0"}
    )
}
"""The table, by name."""


def insertion(database: str, condition: str) -> str:
    """The statement that inserts the records of funding among those of which a condition is true."""
    columns = ", ".join(COLUMNS)
    return (
        f"INSERT INTO {table(database)} ({columns})"
        f" SELECT {columns} FROM {table_name(EXECUTION, database)} FINAL PREWHERE {condition} WHERE {FUNDING}"
    )


def table(database: str) -> str:
    """Its name."""
    return f"{quoted(database)}.funding_records"
