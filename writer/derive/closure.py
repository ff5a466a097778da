"""Records with all that have an order or a trade in common with them: what a row follows from."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from ringbuf.sinks.clickhouse.dropped import StandingOrder
from ringbuf.sinks.clickhouse.keys import Chosen, Instrument, NamedId, RecordId
from ringbuf.sinks.clickhouse.unique_rows import KnownId, UniqueRows
from ringbuf.sinks.clickhouse.views.expression import INSTRUMENT
from ringbuf.trading.reading import RowReading
from ringbuf.trading.report import CHANGES, TRADES, Report
from ringbuf.trading.states import NO_ID
from ringbuf.writer.derive.memory import Memory, Row

NAMES: Final = ("client_order_id", "orig_client_order_id")
TRADE_IDS: Final = ("trade_id", "report_id", "ref_id")
_OWN: Final = ("trade_id", "report_id")
_CHANGES: Final = {each.name.lower() for each in CHANGES}
TRADED: Final = {each.name.lower() for each in TRADES}
"""What a record of a trade says that happened."""
_OF_TRADES: Final = _CHANGES | TRADED
_Names = Mapping[NamedId, NamedId]


class Closure:
    """Records with all that have an order or a trade in common with them.

    An order of which a known record is gone stands as it is. It does not belong to them, and what is told of it comes
    too late; for the others it is as if it had never been.

    Attributes:
        read: which records there are, of those that were chosen and those that belong to them.
        gone: which are not there any more.
        rows: the records by (session, seq), without those of orders that stand as they are.
        orders: the keys of the orders that were known of them, and have rows, likewise.
        ids: under which ids what was known of them.
        standing: the orders that stand as they are, since records are gone.
        of_standing: for each of them further records that tell of it.
        late: those of them that it was not derived from.
        at_ns: the server's time before what is known was read; None if nothing was asked for.
    """

    def __init__(self, rows: UniqueRows, chosen: Chosen, memory: Memory) -> None:
        self._source = rows
        self._memory = memory
        self.rows: dict[RecordId, Row] = {}
        self.standing: dict[NamedId, StandingOrder] = {}
        self.of_standing: dict[NamedId, list[Row]] = defaultdict(list)
        self.late: set[tuple[NamedId, RecordId]] = set()
        self.orders: set[NamedId] = set()
        self.ids: set[KnownId] = set()
        self.at_ns: int | None = None
        self._listed: set[tuple[NamedId, RecordId]] = set()  # as late for orders that were known
        self._keys: set[NamedId] = set()
        self._names: set[NamedId] = set()
        self._searched: set[NamedId] = set()
        self._chains: set[NamedId] = set()
        wanted = {*chosen.singles}
        new = self._read(chosen) if chosen.ranges or chosen.singles else []
        while new:
            missing = self._related(new) - self.rows.keys() - wanted
            wanted |= missing
            new = self._read(Chosen((), sorted(missing))) if missing else []
        self.read = frozenset(self.rows)
        self.gone = frozenset(wanted - self.read)
        if self.gone:
            self._set_apart(rows.dropped.standing(self._keys, self.gone))

    def has_grown(self, written: Collection[NamedId] = ()) -> bool:
        """Whether somebody else has meanwhile derived records that belong to them.

        Whoever inserts its rows last sees those of the other. If it did not look, a row that lacks records might stay.

        Args:
            written: the keys of orders that were inserted since.
        """
        keys = self._keys | self._source.orders_of_trades(self._searched)
        known = self._source.known(keys, self._names)
        return not (known.records <= self.read | self.gone and known.keys <= keys.union(written))

    def no_longer_late(self) -> list[tuple[NamedId, RecordId]]:
        """What is listed as late and is not after all, since records that were missing are there."""
        return [each for each in self._listed if each[0] in self.orders and each[1] in self.rows]

    def ids_of_trades(self) -> Iterator[dict[str, Any]]:
        """Under which ids records without an order, and changes of trades, are known: these under all of the trade."""
        changed = self._ids_of_changed()
        for record_id, row in self.rows.items():
            if not names_order(row) or row["exec_type"] in _CHANGES:
                own = {(instrument_of(row), each) for each in trade_names(row)}
                for instrument, each in own.union(*(changed.get(each, own) for each in own)):
                    yield id_row(instrument, each, "", record_id)

    def of_trades(self) -> Iterator[list[RecordId]]:
        """Each record without an order, and each change of a trade, and those that tell of the same trade."""
        by_trade: dict[tuple[Instrument, str], list[RecordId]] = defaultdict(list)
        for record_id, row in self.rows.items():
            for each in told(row, TRADE_IDS):
                by_trade[instrument_of(row), each].append(record_id)
        for row in self.rows.values():
            if not names_order(row) or row["exec_type"] in _CHANGES:
                yield [found for each in told(row, TRADE_IDS) for found in by_trade[instrument_of(row), each]]

    def _read(self, chosen: Chosen) -> list[Row]:
        wanted = [
            *chosen.singles,
            *((each.session, seq) for each in chosen.ranges for seq in range(each.first_seq, each.end)),
        ]
        remembered = self._memory.records
        found = {each: remembered[each] for each in wanted if each in remembered}
        if left := [each for each in wanted if each not in found]:
            read = {(each["session"], each["seq"]): each for each in self._source.records(Chosen((), left))}
            remembered |= read
            found |= read
        self.rows |= found
        return list(found.values())

    def _set_apart(self, standing: dict[NamedId, StandingOrder]) -> None:
        """Take the records of orders that stand as they are from the others."""
        self.standing = standing
        self.orders -= standing.keys()
        for key, order in standing.items():
            self.of_standing[key] += [self.rows.pop(each) for each in order.records & self.rows.keys()]
        for key, record_id in [(_key(row), each) for each, row in self.rows.items() if _key(row) in standing]:
            self._set_late(key, record_id)
        under = {
            (key[0], name): key
            for key, order in sorted(standing.items(), key=lambda each: each[1].captured_ns)
            for name in order.client_ids
        }
        living = {_name(each) for each in self.rows.values() if self._is_of_living(each, under)}
        for record_id, row in [*self.rows.items()]:
            names = self._names_of_others(row, under)
            if not names & living and (found := sorted(names & under.keys())):
                self._set_late(under[found[0]], record_id)
            elif is_found_by_trade(row):
                self._set_late_by_trade(row, record_id)

    def _is_of_living(self, row: Row, under: _Names) -> bool:
        """Whether a record makes its client id that of an order that does not stand as it is.

        A request does, if it was captured after all that was known of the order which has the client id.
        """
        if row["order_id"] not in NO_ID:
            return True
        key = under.get(_name(row))
        is_later = key is None or row["captured_ns"] > self.standing[key].captured_ns
        return is_later and Report(RowReading(row)).is_new_request

    def _names_of_others(self, row: Row, under: _Names) -> set[NamedId]:
        """The client ids under which a record tells of an order that was there before."""
        if row["order_id"] not in NO_ID:
            names = told(row, ("orig_client_order_id",)) - {row["client_order_id"]}
        else:
            names = set() if self._is_of_living(row, under) else told(row, NAMES)
        return {(instrument_of(row), each) for each in names}

    def _set_late(self, key: NamedId, record_id: RecordId) -> None:
        self.late.add((key, record_id))
        self.of_standing[key].append(self.rows.pop(record_id))

    def _set_late_by_trade(self, row: Row, record_id: RecordId) -> None:
        """A change of a trade, or a copy of a fill, may be about orders of both kinds."""
        found = self._source.orders_of_trades({(instrument_of(row), each) for each in told(row, TRADE_IDS)})
        self.late |= {(key, record_id) for key in found & self.standing.keys()}
        if found and found <= self.standing.keys() and not names_order(row):
            for key in found:
                self.of_standing[key].append(row)
            del self.rows[record_id]

    def _related(self, rows: Iterable[Row]) -> set[RecordId]:
        keys, ids, searched = set(), set(), set()
        for row in rows:
            instrument = instrument_of(row)
            if row["order_id"] not in NO_ID:
                keys.add((instrument, f"id:{row['order_id']}"))
            ids |= {(instrument, each) for each in told(row, NAMES) | trade_names(row)}
            if is_found_by_trade(row):
                searched |= {(instrument, each) for each in told(row, TRADE_IDS)}
        searched = searched.union(*self._ids_of_changed().values())
        keys |= self._source.orders_of_trades(searched - self._searched)
        self._searched |= searched
        return self._known(keys - self._keys, ids - self._names)

    def _ids_of_changed(self) -> dict[NamedId, set[NamedId]]:
        """All ids of each trade that a record changes, under each of them: one that joins two is about both."""
        rows = [row for row in self.rows.values() if row["exec_type"] in _OF_TRADES]
        if not any(row["exec_type"] in _CHANGES for row in rows):
            return {}
        groups: dict[NamedId, set[NamedId]] = {}
        changed: set[NamedId] = set()
        for row in rows:
            is_change = row["exec_type"] in _CHANGES
            own = {(instrument_of(row), each) for each in told(row, TRADE_IDS if is_change else _OWN)}
            changed |= own if is_change else set()
            joined = own.union(*(groups.get(each, own) for each in own))
            groups |= dict.fromkeys(joined, joined)
        return {each: ids for each, ids in groups.items() if not ids.isdisjoint(changed)}

    def _known(self, keys: set[NamedId], ids: set[NamedId]) -> set[RecordId]:
        """The records of orders and ids that were not looked for yet, and of the orders that these ids tell of."""
        known = self._memory.known(keys, ids)
        self.at_ns = known.at_ns if self.at_ns is None else self.at_ns
        self._keys |= keys
        self._names |= ids
        self.ids |= known.ids
        self.orders |= {key for key, order in known.orders.items() if not order.is_removed}
        chains = {each.chain for each in known.orders.values() if each.chain is not None} - self._chains
        self._chains |= chains
        more = (known.keys | self._source.orders_of_chains(chains)) - self._keys  # else one after the other is found
        listed = self._source.dropped.late(known.orders)
        self._listed |= listed
        late = {record for _, record in listed}
        return known.records | late | (self._known(more, set()) if more else set())


def id_row(instrument: Instrument, name: str, order_key: str, record_id: RecordId) -> dict[str, Any]:
    """A row of the table `known_ids`."""
    return order_key_row(instrument, order_key) | {"id": name, "session": record_id[0], "seq": record_id[1]}


def order_key_row(instrument: Instrument, order_key: str) -> dict[str, Any]:
    """The key of an order as columns."""
    return instrument_row(instrument) | {"order_key": order_key}


def instrument_row(instrument: Instrument) -> dict[str, Any]:
    """An instrument as columns."""
    return dict(zip(INSTRUMENT.split(", "), instrument, strict=True))


def instrument_of(row: Row) -> Instrument:
    """Of which instrument a row is."""
    simulated = row["simulated"] if "simulated" in row else row["origin"] == "simulated"
    return row["exchange"], row["account"], row["symbol"], bool(simulated)


def told(row: Row, names: Iterable[str]) -> set[str]:
    """The ids in some columns of a row."""
    return {row[name] for name in names} - NO_ID


def trade_names(row: Row) -> set[str]:
    """The ids of its trade that a record tells; of a fill that tells none, and no order, what it has in common with its
    copies: the venue's time, or else its total, quantity and price.
    """
    ids = told(row, TRADE_IDS)
    if ids or names_order(row) or row["exec_type"] not in TRADED:
        return ids
    when = row["exchange_ns"] or row["cumulative_quantity"]
    return set() if math.isnan(when) else {f"{when} {row['last_quantity']}@{row['last_price']}"}


def names_order(row: Row) -> bool:
    """Whether a record is about an order."""
    return row["order_id"] not in NO_ID or bool(row["client_order_id"] or row["orig_client_order_id"])


def is_found_by_trade(row: Row) -> bool:
    """Whether what has its trade in common with a record may be found by the trade alone, and not by the order."""
    has_ids = row["order_id"] not in NO_ID and row["trade_id"] not in NO_ID
    return row["exec_type"] in _CHANGES or (row["exec_type"] in TRADED and not has_ids)


def _key(row: Row) -> NamedId:
    """The key of the order that a record names by its order id."""
    return instrument_of(row), f"id:{row['order_id']}"


def _name(row: Row) -> NamedId:
    return instrument_of(row), row["client_order_id"]
