"""The deriver: keeps one row for each order and each fill in the database, derived from the records that it has.

Records are derived together with all that have an order or a trade in common with them: that is what a row follows
from. Nothing is kept here: what is known is asked of the database, so another writer may derive the same order, and a
deriver that ends at any moment has lost nothing.

Few records are read and go through the rules (`ringbuf.trading`). Of many, what is plain is derived in the database by
one pass, and only the rest goes through the rules.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final

from ringbuf.journal.step import Step, reached
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse.keys import Chosen, FillKey, Instrument, RecordId
from ringbuf.sinks.clickhouse.sums import Sums
from ringbuf.sinks.clickhouse.unique import MINUTE_NS
from ringbuf.sinks.clickhouse.unique_rows import KnownId, UniqueRows
from ringbuf.trading.derivation import Derived, derive
from ringbuf.writer.derive.closure import (
    NAMES,
    TRADE_IDS,
    TRADED,
    Closure,
    id_row,
    instrument_of,
    instrument_row,
    order_key_row,
    told,
    trade_names,
)
from ringbuf.writer.derive.memory import Memory, Row
from ringbuf.writer.derive.others import Others

FEW: Final = 1_000
"""So many new records all go through the rules."""
AT_ONCE: Final = 1_000
"""So many records go through the rules at once."""
MOST_RANGES: Final = 300
"""In so many ranges at most: each is a condition of the statements."""
MARKED_NS: Final = 10_000_000_000
"""So long after the end of a minute nobody closes it; shorter than `GRACE_NS`, as clocks may differ a little."""
MANY: Final = 200_000
"""So many records are derived at once."""
MOST_RELATED: Final = 5_000
"""More records than that of orders that are known already are not derived at once: the statement would be too long."""


class Deriver:
    """Derives records. For one thread.

    Attributes:
        unnoted: how many records it has derived since it noted any.

    Args:
        rows: the layer of orders and fills.
        sums: that of sums.
    """

    def __init__(self, rows: UniqueRows, sums: Sums) -> None:
        self._rows = rows
        self._sums = sums
        self._is_again = False
        self._memory = Memory(rows)
        self._others = Others(rows.parts, self._memory)
        self._marked: dict[int, int] = {}  # by minute until when it need not be marked again
        self._noted = self._derived = SeqSet()
        self._seen: dict[int, SeqSet] = {}  # by session what was derived, by earlier writers too
        self.unnoted = 0
        self._generation: int | None = None
        self._dropped: SeqSet | None = None  # of these not all need be there

    def derive(self, records: SeqSet, *, again: bool = False) -> None:
        """Derive these records, as far as there are such, with all that belongs to them.

        Args:
            again: somebody may have begun with it. Then rows that are as they should be may be in no sum yet. So it is
                of records that were derived, too: whoever does not know what it has stored sends it once more.

        Raises:
            SinkUnavailable: the database cannot be reached, or does not allow it.
        """
        self._others.begin()
        if self._generation is None:
            self._generation = self._rows.noted.generation()
            self._seen = self._rows.noted.ranges().by_session()
        self._is_again = again or self._has_seen(records)
        for portion in _portions(records.ranges):
            self._derive(portion)
            self._memory.shrink()

    def remember(self, records: Mapping[RecordId, Row]) -> None:
        """Take records that need not be read."""
        self._memory.records |= records

    def note(self) -> None:
        """Note in the database what is derived; what was not noted is derived again by the next writer.

        Raises:
            SinkUnavailable: see `derive`.
        """
        grown = {*self._derived.ranges} - {*self._noted.ranges}  # each replaces the shorter one with its beginning
        if grown and self._generation is not None:
            self._rows.noted.note(SeqSet(grown), self._generation)
            reached(Step.DERIVED_NOTED)
        last = {each.session: each for each in self._derived.ranges}  # others do not grow any more, or are noted apart
        self._noted = self._derived = SeqSet(last.values())
        self.unnoted = 0

    def is_overtaken(self) -> bool:
        """Whether somebody has begun to derive everything again: nothing that this one notes is taken any more.

        Raises:
            SinkUnavailable: see `derive`.
        """
        return self._generation not in (None, self._rows.noted.generation())

    def _derive(self, portion: Sequence[Range]) -> None:
        if sum(each.count for each in portion) <= FEW:
            new = {(each.session, seq) for each in portion for seq in range(each.first_seq, each.end)}
            present: SeqSet | None = self._by_rules(Chosen(portion), new) & SeqSet(portion)
        else:
            present = self._many(portion, self._rows.version())
        if present is None:
            self._derive(portion)
            return
        if self._dropped is None:
            self._dropped = self._rows.dropped.ranges()
        self._derived |= present | (SeqSet(portion) & self._dropped)
        for session, derived in SeqSet(portion).by_session().items():
            self._seen[session] = self._seen.get(session, SeqSet()) | derived
        self.unnoted += sum(each.count for each in portion)

    def _has_seen(self, records: SeqSet) -> bool:
        """Whether some of these records were derived before."""
        return any(each & self._seen.get(session, SeqSet()) for session, each in records.by_session().items())

    def _many(self, portion: Sequence[Range], version: int) -> SeqSet | None:
        """Derive many records; returns which there are, None if it is to be done again."""
        present = self._rows.present(Chosen(portion))
        related = _without(self._rows.related(Chosen(portion)), portion)
        known = Closure(self._rows, Chosen((), related if len(related) <= MOST_RELATED else ()), self._memory)
        others = _without(known.rows, portion)
        if max(len(related), len(others)) > MOST_RELATED and sum(each.count for each in portion) > 1:
            for half in _halves(portion):
                self._derive(half)
            return present
        standing = known.standing | self._rows.dropped.standing_of(Chosen(portion), known.gone)
        late = self._rows.dropped.naming(portion, standing) if standing else []
        self._in_database(Chosen(portion, others, late), version, known)
        if lost := (present | _set_of(others)) - self._rows.present(Chosen(portion, others)):
            self._memory.forget_records(lost)  # they were dropped meanwhile
            return None
        self._orders_by_rules([each] for each in (*late, *(record_id for _, record_id in known.no_longer_late())))
        older = self._rows.older(known.orders - standing.keys(), version)
        self._rows.insert_orders([], version, [order_key_row(*each) for each in older])
        self._memory.forget()
        if not self._others.may_have_written():
            return present
        grown = self._rows.related(Chosen(portion, others)) - known.read - known.gone
        return None if _without(grown, portion) else present  # somebody has derived what belongs to it

    def _in_database(self, chosen: Chosen, version: int, known: Closure) -> None:
        """Derive plain orders and fills in the database, and the others by the rules.

        Args:
            known: records of orders that are known.
        """
        self._rows.insert_funding(chosen)
        minutes = self._rows.insert_plain(chosen, version, None if self._is_again else known.orders)
        self._memory.forget()
        reached(Step.FILLS_DERIVED)
        self._mark(minutes, version)
        orders, unnamed = self._rows.hard(chosen, version)
        self._orders_by_rules([*orders, *([each] for each in unnamed), *known.of_trades()])

    def _mark(self, minutes: set[int], version: int) -> None:
        """Mark the buckets of these minutes as open, but those of which nobody can have closed what we marked."""
        now_ns = max(version, time.time_ns())
        self._marked = {minute: until_ns for minute, until_ns in self._marked.items() if now_ns < until_ns}
        self._sums.mark(minutes - self._marked.keys())
        for minute in minutes:
            if now_ns < (until_ns := (minute + 1) * MINUTE_NS + MARKED_NS):
                self._marked[minute] = until_ns
        reached(Step.BUCKETS_MARKED)

    def _orders_by_rules(self, orders: Iterable[list[RecordId]]) -> None:
        """Derive the records of some orders by the rules, those together that are near each other in their table."""
        for records in _together(sorted(orders)):
            self._by_rules(Chosen((), records))
            self._memory.shrink()

    def _by_rules(self, chosen: Chosen, new: Collection[RecordId] = ()) -> SeqSet:
        """Derive chosen records by the rules, with all that belongs to them; returns which there are.

        Args:
            new: records of which nothing was derived before.
        """
        found = Closure(self._rows, chosen, self._memory)
        version = self._rows.version() if found.at_ns is None else self._rows.version_at(found.at_ns)
        derived = derive(found.rows.values())
        if paid := [key for key, each in found.rows.items() if "funding" in (each["exec_type"], each["trade_type"])]:
            self._rows.insert_funding(Chosen((), paid))
        self._write_fills(found, derived, version, new)
        self._write_orders(found, derived, version)
        self._note_late(found, version)
        written = {(instrument_of(each), each["order_key"]) for each in derived.orders}
        if self._others.may_have_written() and found.has_grown(written):
            self._memory.forget()
            return self._by_rules(chosen)
        return _set_of(found.read)

    def _write_fills(self, found: Closure, derived: Derived, version: int, new: Collection[RecordId]) -> None:
        """Insert fills that are not there as they should be, remove those that are none, and mark their minutes."""
        fills = {_fill_key(each): _fill_row(each) for each in derived.fills}
        possible = {_fill_key(each): each for each in _possible_fills(found.rows.values())}
        if self._is_again:  # what was begun may be as it should be, and be in no sum yet
            changed, gone = {*fills}, possible.keys() - fills.keys()
        else:
            known = self._memory.contents({key for key in possible if key[2:] not in new})
            changed = {key for key, row in fills.items() if known.get(key) != row["content"]}
            gone = known.keys() - fills.keys()
        self._rows.insert_fills([fills[key] for key in changed], version)
        self._rows.insert_fills([possible[key] for key in gone], version, removed=True)
        self._memory.note_contents({key: fills[key]["content"] for key in changed} | dict.fromkeys(gone))
        reached(Step.FILLS_DERIVED)
        self._mark({minute for minute, *_ in changed | gone | self._remove_late_fills(found, version)}, version)

    def _write_orders(self, found: Closure, derived: Derived, version: int) -> None:
        """Insert the orders, under which ids they are known, and remove those that are none any more."""
        ids = [each for each in (*_order_ids(derived.orders), *found.ids_of_trades()) if _id_key(each) not in found.ids]
        keys = {(instrument_of(each), each["order_key"]) for each in derived.orders}
        gone, new = found.orders - keys, keys if self._is_again else keys - found.orders
        self._rows.insert_ids([*ids, *(id_row(instrument, key, key, (0, 0)) for instrument, key in new)])
        self._rows.insert_orders(derived.orders, version, [order_key_row(*each) for each in gone])
        self._memory.note_ids(map(_id_key, ids))

    def _remove_late_fills(self, found: Closure, version: int) -> set[FillKey]:
        """Remove fills that were made of single records of an order that stands as it is, while others were dropped."""
        removed: set[FillKey] = set()
        for key, rows in found.of_standing.items():
            fills = {_fill_key(each) for each in _possible_fills(rows)}
            self._rows.dropped.remove_fills(fills, found.standing[key].version, version)
            removed |= fills
        self._memory.note_contents(dict.fromkeys(removed))
        return removed

    def _note_late(self, found: Closure, version: int) -> None:
        """List what came too late, and no longer what did not after all."""
        self._rows.dropped.note_late(found.no_longer_late(), version, removed=True)
        if found.late:
            self._rows.dropped.note_late(found.late, version)
            reached(Step.LATE_NOTED)


def _portions(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    """The same records, as many at a time as are derived at once."""
    portion: list[Range] = []
    for each in (part for whole in ranges for part in whole.cut(MANY)):
        if len(portion) == MOST_RANGES or (portion and sum(known.count for known in portion) + each.count > MANY):
            yield portion
            portion = []
        portion.append(each)
    if portion:
        yield portion


def _halves(portion: Sequence[Range]) -> Iterator[list[Range]]:
    """Two parts of about the same size, in the order of the records of each session."""
    parts = [list(each.cut(max(1, -(-each.count // 2)))) for each in portion]
    yield [each[0] for each in parts]
    rest = [part for each in parts for part in each[1:]]
    if rest:
        yield rest


def _set_of(records: Iterable[RecordId]) -> SeqSet:
    return SeqSet(Range(session, seq, 1) for session, seq in records)


def _without(records: Iterable[RecordId], ranges: Sequence[Range]) -> list[RecordId]:
    """The records that are in none of some ranges."""
    left = _set_of(records) - SeqSet(ranges)
    return [(each.session, seq) for each in left.ranges for seq in range(each.first_seq, each.end)]


def _together(records: Iterable[Sequence[RecordId]]) -> Iterator[list[RecordId]]:
    """The records of some orders, as many at a time as go through the rules at once."""
    together: list[RecordId] = []
    for each in records:
        if together and len(together) + len(each) > AT_ONCE:
            yield together
            together = []
        together += each
    if together:
        yield together


def _possible_fills(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Every key under which a fill of some records may be known: that of any of its copies, in the minute of any."""
    for copies in _copies([each for each in rows if each["exec_type"] in TRADED]):
        minutes = {_minute(each) for each in copies}
        for each in copies:
            key = instrument_row(instrument_of(each))
            for minute in minutes:
                yield {**key, "session": each["session"], "seq": each["seq"], "minute": minute}


def _copies(trades: Sequence[Row]) -> Iterable[list[Row]]:
    """The records that may be copies of one fill: they share a trade's name, or an order if one of them has no id."""
    without_id = {key for each in trades if not told(each, TRADE_IDS) for key in _order_names(each)}
    groups: dict[Any, list[Row]] = {}

    def keys_of(row: Row) -> Iterator[Any]:
        yield row["session"], row["seq"]
        yield from ((instrument_of(row), "trade", each) for each in trade_names(row))
        yield from _order_names(row) & without_id

    for row in trades:
        joined = {id(groups[key]): groups[key] for key in keys_of(row) if key in groups}
        group = max(joined.values(), key=len, default=[])
        for each in [row, *(each for some in joined.values() if some is not group for each in some)]:
            group.append(each)
            groups |= dict.fromkeys(keys_of(each), group)
    return {id(each): each for each in groups.values()}.values()


def _order_names(row: Row) -> set[tuple[Instrument, str, str]]:
    return {(instrument_of(row), "order", each) for each in told(row, ("order_id", *NAMES))}


def _minute(row: Row) -> int:
    """The minute since the epoch in which a fill counts."""
    minute: int = (row["exchange_ns"] or row["captured_ns"]) // MINUTE_NS
    return minute


def _fill_key(row: Row) -> FillKey:
    return row["minute"] if "minute" in row else _minute(row), instrument_of(row), row["session"], row["seq"]


def _fill_row(fill: Row) -> dict[str, Any]:
    """A fill with the minute in which it counts, and a hash of what it says."""
    text = repr(sorted(fill.items(), key=itemgetter(0)))
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return {**fill, "minute": _minute(fill), "content": int.from_bytes(digest, "little")}


def _order_ids(orders: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for order in orders:
        for each in order["client_ids"]:
            yield id_row(instrument_of(order), each, order["order_key"], (0, 0))


def _id_key(row: Row) -> KnownId:
    return KnownId(instrument_of(row), row["id"], row["order_key"], (row["session"], row["seq"]))
