"""Folding: keeps the layer of profit up to what fills there are.

Fills are folded in the order of their minutes, some thousands at a time. What is new goes first. A position of which
the latest totals are not those of all its fills, since one came late or was taken back, or since its contract is
another one, is folded again from the last totals before that: a part with each call, beside what is new.

Nothing needs to be told or remembered: what is stale, the rows themselves show (`profit_states.py`). So a writer that
ends at any moment has broken nothing, and the next one goes on; and two writers only do the same twice.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from ringbuf.journal.step import Step, reached
from ringbuf.sinks.clickhouse.profit_rows import ProfitRows
from ringbuf.sinks.clickhouse.profit_states import (
    BUCKETS,
    FILLS_EACH,
    LATEST,
    MODULUS,
    PART,
    Fill,
    Kept,
    Place,
    Position,
    Standing,
)
from ringbuf.sinks.clickhouse.sums import DAY, FIRST_MINUTE, MINUTE
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.views.time import NS
from ringbuf.trading.contract import Contract, contract_at
from ringbuf.trading.contract_table import Contracts
from ringbuf.trading.totals import terms

MOST_KEYS: Final = 500
"""So many positions are folded again at once."""
_ROWS_AT_ONCE: Final = 5_000
_HOUR_MINUTES: Final = 60
_DAY_MINUTES: Final = DAY // MINUTE
_MOST: Final = 2**63 - 1


class Folding:
    """Folds fills. For one thread.

    Args:
        rows: the layer of profit.
    """

    def __init__(self, rows: ProfitRows) -> None:
        self._rows = rows
        self._first: int | None = None  # fills of minutes before this one are folded, but of positions that are behind
        self._behind: dict[Position, int] = {}  # by position the minute from which on it is to be folded again

    def fold(self) -> bool:
        """Fold some of what there is; whether there is more.

        Raises:
            SinkUnavailable: the database cannot be reached, or does not allow it.
        """
        contracts = self._rows.contracts()
        latest, now = self._rows.minutes()
        first = latest - 1 if self._first is None else self._first
        self._behind = {key: minute for key, minute in self._behind.items() if minute < first}
        end = max(self._rows.end(first, now), latest)
        found = [each for each in self._rows.after_latest(first, end) if each.key not in self._behind]
        changed = self._keep(found, contracts)
        self._first = end + 1 if end < now else max(first, now - 1)
        self._find(changed[:MOST_KEYS], contracts)
        self._catch_up(contracts)
        return end < now or bool(self._behind) or len(changed) > MOST_KEYS

    def _keep(self, standings: Iterable[Standing], contracts: Contracts) -> list[Position]:
        """Fold the fresh fills of positions and keep their totals; returns those that are not whole."""
        changed, buckets, latest = [], [], []
        for each in standings:
            contract = contract_at(contracts, each.key)
            if not each.is_whole(terms(contract)):
                changed.append(each.key)
            elif each.fresh:
                *its, last = _folded(each, contract)
                buckets += its
                latest.append(last)
        if latest:
            self._insert(buckets)
            reached(Step.TOTALS_WRITTEN)
            self._insert(latest)
        return changed

    def _insert(self, rows: Sequence[Kept]) -> None:
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            self._rows.insert(rows[begin : begin + _ROWS_AT_ONCE])

    def _find(self, keys: Iterable[Position], contracts: Contracts) -> None:
        """Find the last totals of positions that are those of all fills up to them, and go back to them."""
        left = set(keys)
        for minute in self._earlier():
            if not left:
                return
            found = {each.key: each for each in self._rows.at(minute, left)}
            right = {key for key in left if key not in found or found[key].is_whole(terms(contract_at(contracts, key)))}
            self._go_back(right, minute, [found[key] for key in right if key in found], contracts)
            left -= right
        self._go_back(left, FIRST_MINUTE, [], contracts)

    def _earlier(self) -> Iterable[int]:
        """Beginnings of minutes before which totals are looked for."""
        assert self._first is not None
        first = self._first
        hour, day = (first // size * size for size in (_HOUR_MINUTES, _DAY_MINUTES))
        return dict.fromkeys((first - 1, hour, day, day - _DAY_MINUTES, day - 30 * _DAY_MINUTES))

    def _go_back(self, keys: set[Position], minute: int, standings: Iterable[Standing], contracts: Contracts) -> None:
        """Forget all totals of positions from a minute on; those before are the latest."""
        if not keys:
            return
        self._rows.remove(keys, minute * MINUTE)
        reached(Step.TOTALS_REMOVED)
        before = Place(minute * MINUTE_NS - 1, _MOST, _MOST, _MOST, _MOST)
        self._insert(
            [
                Kept(LATEST, LATEST, each.key, before, each.totals, contract_at(contracts, each.key), each.kept)
                for each in standings
                if each.totals.fills
            ]
        )
        self._behind |= dict.fromkeys(keys, minute)

    def _catch_up(self, contracts: Contracts) -> None:
        """Fold some positions that are behind a part of the way."""
        assert self._first is not None
        if not self._behind:
            return
        minute = min(self._behind.values())
        keys = [key for key, its in self._behind.items() if its == minute][:MOST_KEYS]
        if minute >= self._first:
            return
        end = self._rows.end(minute, self._first - 1, keys)
        changed = self._keep(self._rows.after_latest(minute, end, keys), contracts)
        self._behind |= dict.fromkeys(keys, end + 1)
        self._find(changed, contracts)


def _folded(standing: Standing, contract: Contract) -> list[Kept]:
    """The rows of a position that its fresh fills make; the latest comes last."""
    totals, checksum = standing.totals, standing.kept
    found: dict[tuple[int, int], Kept] = {}
    for part, group in groupby(standing.fresh, key=_part):
        fills, before = list(group), totals.fills
        totals = totals.after(contract, [each.traded for each in fills])
        checksum = (checksum + sum(each.checksum for each in fills)) % MODULUS
        spans = BUCKETS if totals.fills // FILLS_EACH == before // FILLS_EACH else (PART, *BUCKETS)
        for span, begin in [(span, part * PART // span * span) for span in spans] + [(LATEST, LATEST)]:
            found[span, begin] = Kept(span, begin, standing.key, fills[-1].place, totals, contract, checksum)
    return [each for place, each in found.items() if place != (LATEST, LATEST)] + [found[LATEST, LATEST]]


def _part(fill: Fill) -> int:
    return fill.time_ns // (PART * NS)
