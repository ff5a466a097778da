"""Whether the demo lost or doubled anything, and whether all that know it say the same."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ringbuf.audit.reconciliation import Reconciliation, reconcile
from ringbuf.demo.agreement import Agreement, compare
from ringbuf.demo.result import StrategyResult
from ringbuf.query.database import Database


@dataclass(frozen=True)
class Verdict:
    """The outcome.

    Attributes:
        captured: records the strategies say their rings accepted.
        stored: different records in the database.
        lost: records that strategies made and the database does not have, among them those that found a ring full.
        duplicated: copies of records in the database.
        agreement: of order pages, inventories, exchanges and database.
        results: what the strategies say.
        audit: of the demo's sessions.
    """

    captured: int
    stored: int
    lost: int
    duplicated: int
    agreement: Agreement
    results: list[StrategyResult]
    audit: Reconciliation

    @property
    def is_good(self) -> bool:
        """Whether every record is stored exactly once, the audit proves it, and all say the same."""
        exact = self.lost == self.duplicated == 0 and self.captured == self.stored
        return exact and self.audit.is_proven and not self.agreement.differences


def judge(
    results: list[StrategyResult], account: str, since: datetime, data_dir: Path, namespace: str, database: Database
) -> Verdict:
    """Compare what the strategies say with what the database has.

    Args:
        since: when the demo began.

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
        agreement=compare(results, account, since, database),
        results=results,
        audit=audit,
    )
