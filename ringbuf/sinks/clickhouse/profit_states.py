"""The layer of profit: what each position came to at the end of minutes, hours and days, and after its last fill.

Profit is no sum, but a fold over the fills of a position in the venue's order (`ringbuf.trading.profit`). So totals
are kept from which it goes on (`ringbuf.trading.totals`): a row for each position and bucket in which it has fills, and
one, of span 0, after its last fill that was folded. If it has many, there are rows of parts of a minute as well, after
whichever fill in it: a question takes them by the place of that fill. The latest row has what an answer tells, too.

A row has the sum of the checksums of the fills that it was folded from. It counts for a question only if that is the
sum of those that there are up to its end, by the layer of sums. So nobody needs to tell that a row is stale: if a fill
has come late, was corrected or taken back since, the two are not the same, and the fold begins at a row before it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from ringbuf.errors import RecordError
from ringbuf.sinks.clickhouse.derived_table import FEW_ROWS, DerivedTable
from ringbuf.sinks.clickhouse.sums import DAY, MINUTE
from ringbuf.sinks.clickhouse.table import literal, quoted
from ringbuf.sinks.clickhouse.views.columns import QUOTE, of_execution
from ringbuf.sinks.clickhouse.views.positions import KEY, checksum_of_fill
from ringbuf.sinks.clickhouse.views.time import time_of
from ringbuf.sinks.clickhouse.views.trades import COMMISSIONS
from ringbuf.trading.contract import Contract
from ringbuf.trading.totals import UNTRADED, Totals, Traded, read_totals

Position: TypeAlias = tuple[str, str, str, str, str, str]
"""The values of the columns `KEY`."""

HOUR: Final = 3_600
BUCKETS: Final = (MINUTE, HOUR, DAY)
"""Spans of the buckets at the end of which totals are kept, in seconds."""
PART: Final = 10
"""The span of parts of a minute; totals are kept at the end of those in which a position has many fills, or within."""
FILLS_EACH: Final = 16
"""So many fills of a position, at least, are between two totals that are kept of parts."""
LATEST: Final = 0
"""The span of the totals after the last fill."""
MOST_FRESH: Final = 2_000
"""So many fills of a position, at most, come with its totals to a question."""
MODULUS: Final = 2**64
"""Checksums are added modulo this."""

_new: Final = tuple.__new__
"""Makes a named tuple of a tuple, in a third of the time of its own call; for those of fills."""
_KEY: Final = ", ".join(KEY)
LAST: Final = ("last_ns", "last_exchange_seq", "last_captured_ns", "last_session", "last_seq")
"""The columns that tell the place of the last fill in the totals."""
TIME: Final = f"toUnixTimestamp64Nano({time_of()})"
PLACE: Final = (TIME, "exchange_seq", "toUnixTimestamp64Nano(captured_ns)", "session", "seq")
"""The place of a fill, as expressions."""
_COMMISSIONS_PAID: Final = ", ".join(f"(toString({name}_paid), {name}_currency)" for name in COMMISSIONS)
TRADED: Final = (
    "concat(if(side = 'sell', '-', ''), toString(traded_quantity))",
    "toString(traded_price)",
    f"[{_COMMISSIONS_PAID}]",
)
"""What a fill traded, as expressions; `traded` reads them."""
CHECKSUM: Final = checksum_of_fill()
COUNTS: Final = "NOT simulated AND counted"
"""True of the fills that are folded."""
TABLES: Final = {
    "profit_states": DerivedTable(
        {
            "span": "UInt32",
            "begin": "Int64",
            **of_execution(KEY),
            **dict.fromkeys(("last_ns", "last_captured_ns"), "Int64"),
            **dict.fromkeys(("last_exchange_seq", "last_session", "last_seq", "fills_hash"), "UInt64"),
            **dict.fromkeys(("totals", "terms", "figures"), "String"),
            "realised": f"Nullable({QUOTE})",
            "currency": "String",
            "version": "UInt64",
            "is_removed": "UInt8",
        },
        "ReplacingMergeTree(version, is_removed)",
        f"span, begin, {_KEY}",
        {"span": "0", "begin": "-1"},
        ("version_index version TYPE minmax",),
        FEW_ROWS,
    )
}
"""The table of the layer, by name."""


class Place(NamedTuple):
    """Where a fill stands in the venue's order; the last three tell fills of one place there apart."""

    time_ns: int
    exchange_seq: int
    captured_ns: int
    session: int
    seq: int


class Fill(NamedTuple):
    """A fill that is in no totals yet. Fills are sorted by their places, since these come first.

    Attributes:
        quantity, price, paid: the values of `TRADED`.
    """

    time_ns: int
    exchange_seq: int
    captured_ns: int
    session: int
    seq: int
    checksum: int
    quantity: str
    price: str | None
    paid: Sequence[tuple[str | None, str]]

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.time_ns, self.exchange_seq, self.captured_ns, self.session, self.seq)

    @property
    def traded(self) -> Traded:
        """What it traded."""
        return traded(self.quantity, self.price, self.paid)


@dataclass(slots=True)
class Standing:
    """What is kept of a position, and the fills after it.

    Attributes:
        checksum: of all its fills that there are.
        text: the totals that are kept, and `terms`, those of the contract that they were folded with; `kept` is the
            checksum of the fills that are in them. Nothing if none are kept.
        later: how many fills come after them.
        fresh: these fills in the venue's order, or some of them if they are too many.
        figures: what an answer tells of these totals, if it was asked for; see `figures_of`.
    """

    key: Position
    checksum: int
    text: str
    terms: str
    kept: int
    later: int
    fresh: Sequence[Fill]
    figures: str = ""
    _totals: Totals | None = None

    @property
    def totals(self) -> Totals:
        """Those that are kept; of a text that is none, none."""
        return self._read() or UNTRADED

    def is_whole(self, terms: str) -> bool:
        """Whether totals and fresh fills are all that there is of the position, with such a contract."""
        found = (self.kept + sum(each.checksum for each in self.fresh)) % MODULUS
        is_all = found == self.checksum and self.later == len(self.fresh) and self.terms in ("", terms)
        return is_all and self._read() is not None

    def figures_of(self, basis: str) -> str:
        """What an answer tells of the position, as JSON without its first brace, if nothing came since.

        Args:
            basis: of the figures that are wanted (`ringbuf.trading.figures.basis`).

        Returns:
            empty if what is kept has another basis.
        """
        its_basis, _, told = self.figures.partition("\n")
        return told if its_basis == basis and self.kept == self.checksum else ""

    def _read(self) -> Totals | None:
        if self._totals is None:
            self._totals = totals_of(self.text) if self.text else UNTRADED
        return self._totals


class Kept(NamedTuple):
    """A row: totals of a position at the end of a bucket, or its latest, with its contract."""

    span: int
    begin: int
    key: Position
    last: Place
    totals: Totals
    contract: Contract
    checksum: int


def where(positions: Collection[Position]) -> str:
    """The condition that is true of some positions; of all, if there are none."""
    if not positions:
        return "true"
    named = ", ".join(f"({', '.join(map(literal, each))})" for each in sorted(positions))
    return f"({_KEY}) IN ({named})"


def totals_of(text: str) -> Totals | None:
    """The totals that are kept as this text; None if it is none."""
    try:
        return read_totals(text)
    except RecordError:
        return None


def traded(quantity: str, price: str | None, paid: Iterable[tuple[str | None, str]]) -> Traded:
    """What a fill traded, from the values of `TRADED`."""
    commissions = [(Decimal(amount), currency) for amount, currency in paid if amount is not None]
    return _new(Traded, (Decimal(quantity), None if price is None else Decimal(price), commissions))


def position_of(row: Sequence[Any]) -> Position:
    """The position of a row that begins with it."""
    exchange, account, symbol, side, position_id, strategy = row[: len(KEY)]
    return exchange, account, symbol, side, position_id, strategy


def latest(database: str) -> str:
    """What stands behind FROM to select the latest totals."""
    return f"{table(database)} FINAL WHERE span = {LATEST} AND begin = {LATEST}"


def table(database: str) -> str:
    """The table."""
    return f"{quoted(database)}.profit_states"
