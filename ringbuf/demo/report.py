"""What the demo shows at its end: positions and examples from SQL, the audit, the verdict."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ringbuf.demo.monitor import Figures
from ringbuf.demo.verdict import Verdict, by_symbol
from ringbuf.demo.view import milliseconds
from ringbuf.query.database import Database


class Query(NamedTuple):
    """A question and how it is asked; `{account}` stands for the account of this demo."""

    question: str
    sql: str


POSITIONS: Final = Query(
    "Positions by symbol",
    """
SELECT symbol, sum(quantity) AS position, sum(bought_quantity) AS bought,
       sum(sold_quantity) AS sold, sum(fills) AS fills
FROM positions
WHERE account = '{account}'
GROUP BY symbol ORDER BY symbol""",
)

EXAMPLES: Final = (
    Query(
        "What did it cost to make and to take liquidity?",
        """
SELECT symbol, liquidity, count() AS fills,
       round(sum(last_price * last_quantity), 2) AS volume,
       round(sum(commission), 4) AS commission
FROM fills
WHERE account = '{account}'
GROUP BY symbol, liquidity ORDER BY symbol, liquidity""",
    ),
    Query(
        "How long did the exchange take to acknowledge an order?",
        """
WITH toUnixTimestamp64Nano(captured_ns) / 1e6 AS ms
SELECT symbol, count() AS orders, round(quantile(0.5)(delay), 2) AS p50_ms,
       round(quantile(0.99)(delay), 2) AS p99_ms
FROM (
    SELECT symbol, client_order_id,
           maxIf(ms, exec_type = 'new') - maxIf(ms, exec_type = 'pending_new') AS delay
    FROM executions
    WHERE account = '{account}'
    GROUP BY symbol, client_order_id HAVING countIf(exec_type = 'new') > 0)
GROUP BY symbol ORDER BY symbol""",
    ),
    Query(
        "What happened to the order with the most fills?",
        """
SELECT formatDateTime(captured_ns, '%T.%f') AS captured, order_status,
       last_price AS price, last_quantity AS quantity,
       cumulative_quantity AS cumulative, leaves_quantity AS leaves
FROM executions
WHERE client_order_id = (
    SELECT client_order_id FROM fills WHERE account = '{account}'
    GROUP BY client_order_id ORDER BY count() DESC LIMIT 1)
  AND account = '{account}'
ORDER BY seq""",
    ),
)


class Report:
    """Prints the end of a demo.

    Args:
        account: the account of this demo; another one's records may be in the same database.
    """

    def __init__(self, console: Console, database: Database, account: str) -> None:
        self._console = console
        self._database = database
        self._account = account

    def positions(self, verdict: Verdict) -> None:
        """Positions by symbol from SQL, beside those that strategies and exchange have."""
        own, venue = by_symbol(verdict.own), by_symbol(verdict.venue)
        rows = self._ask(POSITIONS)
        for row in rows:
            symbol = row["symbol"]
            row |= {"strategies": own.get(symbol, Decimal(0)), "exchange": venue.get(symbol, Decimal(0))}
        self._show(rows)

    def examples(self) -> None:
        """Three questions, their SQL and the answers."""
        for query in EXAMPLES:
            self._show(self._ask(query))

    def audit(self, verdict: Verdict) -> None:
        """The audit: every seq of every ring accounted for."""
        self._heading("Audit: every sequence number of every ring")
        self._console.print()
        accounts = verdict.audit.accounts
        counts = {
            "rings": len(accounts),
            **{
                name: sum(getattr(each, name).count for each in accounts)
                for name in ("recorded", "stored", "pending", "quarantined", "lost")
            },
            "doubled": verdict.duplicated,
            "": "proven" if verdict.audit.is_proven else "NOT PROVEN",
        }
        self._table([counts])
        for problem in verdict.audit.problems:
            self._console.print(Text(f"problem: {problem}", style="red"))

    def verdict(self, verdict: Verdict, figures: Figures) -> None:
        """The outcome in three lines."""
        counts = (
            f"{verdict.captured:,} captured, {figures.journaled:,} journaled, {verdict.stored:,} stored, "
            f"{verdict.lost:,} lost, {verdict.duplicated:,} duplicated"
        )
        equal = "equal" if verdict.positions_equal else "DIFFER"
        latency = f"fill to stored p50 {milliseconds(figures.p50)}, p99 {milliseconds(figures.p99)}"
        self._console.print()
        self._console.print(Text(counts, style="bold green" if verdict.is_good else "bold red"))
        self._console.print(f"positions of strategies, exchange and database: {equal}", markup=False)
        self._console.print(f"{latency}; writer restarts: {figures.restarts}", markup=False)

    def _ask(self, query: Query) -> list[dict[str, Any]]:
        self._heading(query.question)
        sql = query.sql.strip().format(account=self._account)
        coloured = Syntax(sql, "sql", theme="ansi_dark", background_color="default").highlight(sql)
        for line in coloured.split():
            self._console.print(Text("  ").append_text(line), soft_wrap=True)
        self._console.print()
        return self._database.rows(sql, parse_float=Decimal)

    def _heading(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, style="bold cyan"))

    def _show(self, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self._table(rows)
        else:
            self._console.print("  (no rows)")

    def _table(self, rows: Sequence[dict[str, Any]]) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for title in rows[0]:
            is_text = any(isinstance(row[title], str) for row in rows)
            table.add_column(title, justify="left" if is_text else "right", no_wrap=True)
        for row in rows:
            table.add_row(*_cells(row.values()))
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _cells(values: Iterable[Any]) -> Iterable[Text]:
    for value in values:
        if value is None:
            yield Text("-", style="dim")
        elif isinstance(value, Decimal):
            yield Text(f"{value.normalize():,f}")
        else:
            yield Text(f"{value:,}" if isinstance(value, int) else str(value))
