"""Reading and writing the layer of profit (`profit_states.py`): what folding it needs of the database."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from ringbuf.errors import ConfigurationError
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.sinks.clickhouse import contracts, profit_states
from ringbuf.sinks.clickhouse.derived_table import Statements
from ringbuf.sinks.clickhouse.profit_states import COUNTS, LATEST, Kept, Position, Standing
from ringbuf.sinks.clickhouse.standings import Asked, Moment, standings
from ringbuf.sinks.clickhouse.table import literal, quoted
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.views.positions import KEY
from ringbuf.sinks.clickhouse.views.time import NS
from ringbuf.trading.contract import Contract
from ringbuf.trading.figures import JSON, basis, figures
from ringbuf.trading.profit import Profit
from ringbuf.trading.totals import UNTRADED, realised, terms

AT_ONCE: Final = 10_000
"""So many fills, about, are folded at once."""
MOST: Final = 1_000_000
"""So many fills of a position are folded at once, if one minute has so many."""
_KEY: Final = ", ".join(KEY)
_COLUMNS: Final = profit_states.TABLES["profit_states"].columns


class ProfitRows:
    """The layer of one database."""

    def __init__(self, statements: Statements) -> None:
        self._database, self._ask, self._run = statements.database, statements.ask, statements.run
        self._insert, self._now = statements.insert, statements.layout.now
        self._table = f"{quoted(self._database)}.profit_states"

    def minutes(self) -> tuple[int, int]:
        """The minute of the last fill that is in some totals, and that of now, since the epoch."""
        latest = f"(SELECT ifNull(max(last_ns), 0) FROM {profit_states.latest(self._database)})"
        ((last_ns, now_ns),) = self._ask(f"SELECT toString({latest}), toString({self._now})")
        return int(last_ns) // MINUTE_NS, int(now_ns) // MINUTE_NS

    def end(self, first: int, last: int, keys: Collection[Position] = ()) -> int:
        """The last minute of those from `first` to `last` that have about as many fills as are folded at once.

        Args:
            keys: of these positions alone; of all, if there are none.
        """
        fills = f"{quoted(self._database)}.unique_fills WHERE {COUNTS} AND {profit_states.where(keys)}"
        some = f"{fills} AND minute >= {first} AND minute <= {last} ORDER BY minute LIMIT {AT_ONCE}"
        ((found, count),) = self._ask(
            f"SELECT toString(max(minute)), toString(count()) FROM (SELECT minute FROM {some})"
        )
        return int(found) if int(count) == AT_ONCE else last

    def after_latest(self, first: int, last: int, keys: Collection[Position] = ()) -> list[Standing]:
        """The latest totals and the fills after them, of the minutes from `first` to `last`.

        Args:
            keys: as in `end`.
        """
        moment = Moment((last + 1) * MINUTE_NS - 1, first=first, is_sure=True)
        return self._standings(moment, keys)

    def at(self, minute: int, keys: Collection[Position]) -> list[Standing]:
        """The totals of some positions as they were at the beginning of a minute."""
        return self._standings(Moment(minute * MINUTE_NS - 1, minute), keys)

    def _standings(self, moment: Moment, keys: Collection[Position]) -> list[Standing]:
        asked = Asked(profit_states.where(keys), MOST)
        (found,) = standings(self._ask, self._database, [moment], asked).standings
        return [*found.values()]

    def contracts(self) -> dict[tuple[str, str], Contract]:
        """The contract of each instrument that was recorded; those that cannot be one are left out."""
        named = f"database = {literal(self._database)} AND name = {literal(INSTRUMENTS.name)}"
        if not self._ask(f"SELECT 1 FROM system.tables WHERE {named}"):
            return {}
        found = {}
        for row in self._ask(contracts.recorded(self._database)):
            try:
                found[row[0], row[1]] = contracts.contract(row)
            except ConfigurationError:
                continue  # who asks for profit is told
        return found

    def insert(self, rows: Sequence[Kept]) -> None:
        """Insert rows; each replaces the one of its position and bucket."""
        ((version,),) = self._ask(f"SELECT toString({self._version()})")
        values = [dict(zip(_COLUMNS, [*_values(row), int(version), 0], strict=True)) for row in rows]
        self._insert("profit_states", _COLUMNS, values)

    def remove(self, keys: Collection[Position], begin: int) -> None:
        """Remove the latest totals of some positions, and those of buckets that end after a time.

        Args:
            begin: that time, seconds since the epoch.
        """
        self._run(
            f"INSERT INTO {self._table} (span, begin, {_KEY}, version, is_removed)"
            f" SELECT span, begin, {_KEY}, {self._version()}, 1 FROM {self._table} FINAL"
            f" WHERE (begin + span > {begin} OR span = {LATEST}) AND {profit_states.where(keys)}"
        )

    def _version(self) -> str:
        """Greater than that of every row, also when the server's clock was set back.

        Only rows of the last second and the future are looked at: an index tells where they are.
        """
        now = f"toUInt64({self._now})"
        return f"greatest({now}, (SELECT max(version) + 1 FROM {self._table} WHERE version >= {now} - {NS}))"


def _values(row: Kept) -> Iterable[Any]:
    last = row.last
    return [
        row.span,
        row.begin,
        *row.key,
        last.time_ns,
        last.captured_ns,
        last.exchange_seq,
        last.session,
        last.seq,
        row.checksum,
        str(row.totals),
        terms(row.contract),
        figures_text(row) if row.span == LATEST else "",
        realised(row.totals, row.contract),
        row.contract.settle,
    ]


def figures_text(row: Kept) -> str:
    """What an answer tells of these totals; `Standing.figures_of` reads it."""
    commissions = row.totals.commissions_since(UNTRADED)
    told = figures(Profit(row.contract, row.totals.state, commissions, {}))
    return f"{basis(row.contract)}\n{JSON.encode(told)[1:]}"
