"""What the demo shows at its end: examples of SQL, what went wrong, who agrees with whom, the audit, the verdict."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ringbuf.demo.agreement import HedgeRow, InstrumentRow
from ringbuf.demo.monitor import Figures
from ringbuf.demo.result import added
from ringbuf.demo.verdict import Verdict
from ringbuf.demo.view import milliseconds
from ringbuf.query.database import Database

MOST_ROWS: Final = 24
"""Of more rows only the sums are shown, and those that are not equal."""
EQUAL: Final = "equal"
DIFFERENT: Final = "DIFFERS"


class Query(NamedTuple):
    """A question and how it is asked; `{account}` and `{since}` stand for the account and the begin of this demo."""

    question: str
    sql: str


EXAMPLES: Final = (
    Query(
        "Positions by symbol",
        """
SELECT exchange, symbol, sum(quantity) AS position,
       sum(bought_quantity) AS bought, sum(sold_quantity) AS sold,
       sum(fills) AS fills
FROM positions
WHERE account = '{account}'
GROUP BY exchange, symbol ORDER BY exchange, symbol""",
    ),
    Query(
        "Which orders were hedged, and what is left of them?",
        """
SELECT client_order_id, quantity, hedge_symbol, hedged_quantity AS hedged,
       residual_quantity AS residual, round(slippage, 4) AS slippage,
       round(fill_delay_ns / 1e6, 1) AS fill_ms
FROM hedges(since = '{since}', until = '')
WHERE account = '{account}'
ORDER BY hedge_orders DESC, abs(residual_quantity), client_order_id LIMIT 6""",
    ),
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
           maxIf(ms, exec_type = 'new')
             - maxIf(ms, exec_type = 'pending_new') AS delay
    FROM executions
    WHERE account = '{account}'
    GROUP BY symbol, client_order_id HAVING countIf(exec_type = 'new') > 0)
GROUP BY symbol ORDER BY symbol""",
    ),
    Query(
        "What happened to the order with the most fills?",
        """
SELECT formatDateTime(captured_ns, '%T.%f') AS captured, order_status,
       last_price AS price, last_quantity AS filled,
       cumulative_quantity AS total, leaves_quantity AS leaves, origin
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

    def __init__(self, console: Console, database: Database, account: str, since: datetime) -> None:
        self._console = console
        self._database = database
        self._names = {"account": account, "since": f"{since:%FT%T}Z"}

    def examples(self) -> None:
        """Some questions, their SQL and the answers."""
        for query in EXAMPLES:
            self._show(self._ask(query))

    def troubles(self, verdict: Verdict, figures: Figures) -> None:
        """What went wrong on purpose, and what became of it."""
        faults, found = added(each.faults for each in verdict.results), added(each.found for each in verdict.results)
        again = sum(each.resumed_records for each in verdict.results)
        killed = sum(each.starts - 1 for each in verdict.results)
        self._heading("What went wrong on purpose, and what became of it")
        self._console.print()
        lines = {
            "feeds": f"{faults['lost']} messages lost, {faults['late']} late, {faults['repeated']} repeated;"
            f" {faults['cut']} connections cut",
            "missed": f"{found['fills']} fills, {found['states']} states of orders; found by asking the exchanges,"
            f" {found['asked']}x",
            "never came": f"{found['requests']} orders, found likewise; what they were to hedge went with others",
            "kill -9": f"strategies: {killed}, went on with {again:,} records of their own; writer: {figures.restarts}",
        }
        grid = Table.grid(padding=(0, 2))
        for title, text in lines.items():
            grid.add_row(Text(f"  {title}", style="bold"), text)
        self._console.print(grid)

    def agreement(self, verdict: Verdict) -> None:
        """What order pages, inventories, exchanges and database say of each instrument of each strategy."""
        agreement = verdict.agreement
        self._heading("Do order pages, inventory, exchange and database say the same?")
        self._console.print()
        self._rows([_of_instrument(each) for each in agreement.instruments])
        self._heading("Is everything hedged? Filled x ratio = hedged + balance, on the other side")
        self._console.print()
        self._rows([_of_hedge(each) for each in agreement.hedges])
        for each in agreement.differences:
            self._console.print(Text(f"{DIFFERENT}: {each}", style="bold red"), soft_wrap=True)

    def _rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """The table; of many strategies their sums, and those rows that are not equal."""
        if len(rows) > MOST_ROWS:
            rows = _sums(rows) + [each for each in rows if each[""] != EQUAL]
        self._show(_by_strategy(rows))

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

    def verdict(self, verdict: Verdict, figures: Figures, before: Figures | None) -> None:
        """The outcome in three lines.

        Args:
            before: the figures before the writer was killed.
        """
        counts = (
            f"{verdict.captured:,} captured, {figures.journaled:,} journaled, {verdict.stored:,} stored, "
            f"{verdict.lost:,} lost, {verdict.duplicated:,} duplicated"
        )
        equal = DIFFERENT if verdict.agreement.differences else "equal"
        latency = _latency(figures)
        if before is not None:
            latency = f"{_latency(before)} before the writer was killed\n{'':16}{latency} of the one after it"
        self._console.print()
        self._console.print(Text(counts, style="bold green" if verdict.is_good else "bold red"))
        self._console.print(f"pages, inventory, exchange and database: {equal}", markup=False)
        self._console.print(f"fill to stored: {latency}", markup=False)

    def _ask(self, query: Query) -> list[dict[str, Any]]:
        self._heading(query.question)
        sql = query.sql.strip().format(**self._names)
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
            is_text = any(isinstance(row[title], str) and row[title] for row in rows)
            table.add_column(title, justify="left" if is_text else "right", no_wrap=True)
        for row in rows:
            table.add_row(*_cells(row.values()), style="bold red" if DIFFERENT in row.values() else None)
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _latency(figures: Figures) -> str:
    return f"p50 {milliseconds(figures.p50)}, p99 {milliseconds(figures.p99)}"


def _cells(values: Iterable[Any]) -> Iterable[Text]:
    for value in values:
        if value is None:
            yield Text("-", style="dim")
        elif isinstance(value, Decimal):
            yield Text(f"{value.normalize():,f}")
        else:
            yield Text(f"{value:,}" if isinstance(value, int) else str(value))


def _of_instrument(row: InstrumentRow) -> dict[str, Any]:
    return {
        "strategy": row.strategy,
        "symbol": row.symbol,
        "filled:\npages": row.pages.bought + row.pages.sold,
        "\ndatabase": row.orders.bought + row.orders.sold,
        "position:\ninventory": row.inventory,
        "\nexchange": row.exchange,
        "\ndatabase ": row.database,
        "": DIFFERENT if row.differences else EQUAL,
    }


def _of_hedge(row: HedgeRow) -> dict[str, Any]:
    return {
        "strategy": row.strategy,
        "symbol": row.maker,
        "filled": row.filled,
        "ratio": f"{row.ratio}",
        "hedge": row.symbol,
        "hedged:\nhedger": row.hedged,
        "\ndatabase": row.database,
        "balance": Decimal(str(float(row.balance))),
        "": DIFFERENT if row.differences else EQUAL,
    }


def _by_strategy(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with the strategy in a row of its own before its symbols."""
    found: list[dict[str, Any]] = []
    strategy = ""
    for row in rows:
        rest = {title: value for title, value in row.items() if title not in ("strategy", "symbol")}
        if row["strategy"] != strategy:
            strategy = row["strategy"]
            found.append({"symbol": strategy} | dict.fromkeys(rest, ""))
        found.append({"symbol": f"  {row['symbol']}"} | rest)
    return found


def _sums(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sums over all strategies, by symbol."""
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["symbol"]].append(row)
    sums = []
    for group in groups.values():
        added = {
            title: sum(row[title] for row in group) for title, value in group[0].items() if isinstance(value, Decimal)
        }
        equal = EQUAL if all(row[""] == EQUAL for row in group) else DIFFERENT
        sums.append(group[0] | added | {"strategy": f"all {len(group)}", "": equal})
    return sums
