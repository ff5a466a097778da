"""Whether the demo lost or doubled anything: the strategies' own account against the database."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ringbuf.audit.reconciliation import Reconciliation, reconcile
from ringbuf.demo.result import StrategyResult
from ringbuf.query.database import Database

Positions = dict[tuple[str, str], Decimal]
"""Position by strategy and symbol; what is zero is left out."""


@dataclass(frozen=True)
class Verdict:
    """The outcome.

    Attributes:
        captured: records the strategies say their rings accepted.
        stored: different records in the database.
        lost: records that strategies made and the database does not have, among them those that found a ring full.
        duplicated: copies of records in the database.
        own, venue, database: positions as strategies, exchange and database have them.
        audit: of the demo's sessions.
    """

    captured: int
    stored: int
    lost: int
    duplicated: int
    own: Positions
    venue: Positions
    database: Positions
    audit: Reconciliation

    @property
    def positions_equal(self) -> bool:
        """Whether strategies, exchange and database have the same positions, to the last decimal."""
        return self.own == self.venue == self.database

    @property
    def is_good(self) -> bool:
        """Whether every record is stored exactly once, the audit proves it, and all positions are equal."""
        exact = self.lost == self.duplicated == 0 and self.captured == self.stored
        return exact and self.audit.is_proven and self.positions_equal


def judge(results: list[StrategyResult], account: str, data_dir: Path, namespace: str, database: Database) -> Verdict:
    """Compare what the strategies say with what the database has.

    Raises:
        RingbufError: journal or database cannot be read.
    """
    sessions = {each.session for each in results}
    found = reconcile(data_dir, namespace, database)
    audit = replace(found, accounts=[each for each in found.accounts if each.session in sessions])
    captured = sum(each.records for each in results)
    stored = sum(each.stored.count for each in audit.accounts)
    return Verdict(
        captured=captured,
        stored=stored,
        lost=max(captured - stored, 0) + sum(each.full for each in results),
        duplicated=sum(each.raw_duplicates for each in audit.accounts),
        own=_positions((each.name, each.positions) for each in results),
        venue=_positions((each.name, each.venue_positions) for each in results),
        database=_stored_positions(database, account),
        audit=audit,
    )


def by_symbol(positions: Positions) -> dict[str, Decimal]:
    """Sums over the strategies."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (_, symbol), quantity in positions.items():
        sums[symbol] += quantity
    return sums


def _positions(given: Iterable[tuple[str, dict[str, Any]]]) -> Positions:
    exact = {(name, symbol): Decimal(text) for name, texts in given for symbol, text in texts.items()}
    return {key: quantity for key, quantity in exact.items() if quantity}


def _stored_positions(database: Database, account: str) -> Positions:
    rows = database.rows(
        f"SELECT strategy, symbol, toString(quantity) AS quantity FROM positions WHERE account = '{account}'"
    )
    exact = {(row["strategy"], row["symbol"]): Decimal(row["quantity"]) for row in rows}
    return {key: quantity for key, quantity in exact.items() if quantity}
