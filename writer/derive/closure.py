"""Records with all that have an order or a trade in common with them: what a row follows from."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ringbuf.sinks.clickhouse.unique_rows import Chosen, Instrument, KnownId, RecordId, UniqueRows
from ringbuf.trading.report import CHANGES
from ringbuf.trading.states import NO_ID

NAMES: Final = ("client_order_id", "orig_client_order_id")
TRADE_IDS: Final = ("trade_id", "report_id", "ref_id")
_CHANGES: Final = {each.name.lower() for each in CHANGES}

Row = Mapping[str, Any]
"""A record, or what is derived from records, by the names of its columns."""


class Closure:
    """Records with all that have an order or a trade in common with them.

    Attributes:
        rows: the records by (session, seq).
        orders: the keys of the orders that were known of them.
        ids: under which ids what was known of them.

    Args:
        recent: records that need not be read again; those that are read are added. A record never changes.
    """

    def __init__(self, rows: UniqueRows, chosen: Chosen, recent: dict[RecordId, Row]) -> None:
        self._source = rows
        self._recent = recent
        self.rows: dict[RecordId, Row] = {}
        self.orders: set[tuple[Instrument, str]] = set()
        self.ids: set[KnownId] = set()
        self._keys: set[tuple[Instrument, str]] = set()
        self._names: set[tuple[Instrument, str]] = set()
        self._searched: set[tuple[Instrument, str]] = set()
        new = self._read(chosen) if chosen.ranges or chosen.singles else []
        while new:
            missing = self._related(new) - self.rows.keys()
            new = self._read(Chosen((), sorted(missing))) if missing else []

    def has_grown(self) -> bool:
        """Whether somebody else has meanwhile derived records that belong to them.

        Whoever inserts its rows last sees those of the other. If it did not look, a row that lacks records might stay.
        """
        keys = self._keys | (self._source.orders_of_trades(self._searched) if self._searched else set())
        return not self._source.known(keys, self._names).records <= self.rows.keys()

    def unnamed_ids(self) -> Iterator[dict[str, Any]]:
        """Under which ids records without an order are known."""
        for record_id, row in self.rows.items():
            if not names_order(row):
                for each in told(row, TRADE_IDS):
                    yield id_row(instrument_of(row), each, "", record_id)

    def of_unnamed(self) -> Iterator[list[RecordId]]:
        """Each record without an order, and those that tell of the same trade."""
        by_trade: dict[tuple[Instrument, str], list[RecordId]] = defaultdict(list)
        for record_id, row in self.rows.items():
            for each in told(row, TRADE_IDS):
                by_trade[instrument_of(row), each].append(record_id)
        for row in self.rows.values():
            if not names_order(row):
                yield [found for each in told(row, TRADE_IDS) for found in by_trade[instrument_of(row), each]]

    def _read(self, chosen: Chosen) -> list[Row]:
        found = {each: self._recent[each] for each in chosen.singles if each in self._recent}
        left = Chosen(chosen.ranges, [each for each in chosen.singles if each not in found])
        if left.ranges or left.singles:
            read = {(each["session"], each["seq"]): each for each in self._source.records(left)}
            self._recent |= read
            found |= read
        self.rows |= found
        return list(found.values())

    def _related(self, rows: Iterable[Row]) -> set[RecordId]:
        keys, ids, searched = set(), set(), set()
        for row in rows:
            instrument = instrument_of(row)
            if row["order_id"] not in NO_ID:
                keys.add((instrument, f"id:{row['order_id']}"))
            ids |= {(instrument, each) for each in told(row, (*NAMES, *TRADE_IDS))}
            if row["exec_type"] in _CHANGES or (row["exec_type"] == "fill" and not _is_found_by_order(row)):
                searched |= {(instrument, each) for each in told(row, TRADE_IDS)}
        if new := searched - self._searched:
            keys |= self._source.orders_of_trades(new)
        self._searched |= searched
        known = self._source.known(keys - self._keys, ids - self._names)
        self._keys |= keys | known.orders
        self._names |= ids
        self.orders |= known.orders
        self.ids |= known.ids
        return known.records


def id_row(instrument: Instrument, name: str, order_key: str, record_id: RecordId) -> dict[str, Any]:
    """A row of the table `known_ids`."""
    return order_key_row(instrument, order_key) | {"id": name, "session": record_id[0], "seq": record_id[1]}


def order_key_row(instrument: Instrument, order_key: str) -> dict[str, Any]:
    """The key of an order as columns."""
    exchange, account, symbol, simulated = instrument
    return {
        "exchange": exchange,
        "account": account,
        "symbol": symbol,
        "simulated": simulated,
        "order_key": order_key,
    }


def instrument_of(row: Row) -> Instrument:
    """Of which instrument a row is."""
    simulated = row["simulated"] if "simulated" in row else row["origin"] == "simulated"
    return row["exchange"], row["account"], row["symbol"], bool(simulated)


def told(row: Row, names: Iterable[str]) -> set[str]:
    """The ids in some columns of a row."""
    return {row[name] for name in names} - NO_ID


def names_order(row: Row) -> bool:
    """Whether a record is about an order."""
    return row["order_id"] not in NO_ID or bool(row["client_order_id"] or row["orig_client_order_id"])


def _is_found_by_order(row: Row) -> bool:
    """Whether whatever has its trade in common with a fill is found by its order, or finds the fill by its trade."""
    return row["order_id"] not in NO_ID and row["trade_id"] not in NO_ID
