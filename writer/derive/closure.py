"""Records with all that have an order or a trade in common with them: what a row follows from."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from ringbuf.sinks.clickhouse.keys import Chosen, Instrument, NamedId, RecordId
from ringbuf.sinks.clickhouse.unique_rows import KnownId, UniqueRows
from ringbuf.trading.report import CHANGES
from ringbuf.trading.states import NO_ID
from ringbuf.writer.derive.memory import Memory, Row

NAMES: Final = ("client_order_id", "orig_client_order_id")
TRADE_IDS: Final = ("trade_id", "report_id", "ref_id")
_CHANGES: Final = {each.name.lower() for each in CHANGES}


class Closure:
    """Records with all that have an order or a trade in common with them.

    Attributes:
        rows: the records by (session, seq).
        orders: the keys of the orders that were known of them, and stand.
        ids: under which ids what was known of them.
    """

    def __init__(self, rows: UniqueRows, chosen: Chosen, memory: Memory) -> None:
        self._source = rows
        self._memory = memory
        self.rows: dict[RecordId, Row] = {}
        self.orders: set[NamedId] = set()
        self.ids: set[KnownId] = set()
        self._keys: set[NamedId] = set()
        self._names: set[NamedId] = set()
        self._searched: set[NamedId] = set()
        new = self._read(chosen) if chosen.ranges or chosen.singles else []
        while new:
            missing = self._related(new) - self.rows.keys()
            new = self._read(Chosen((), sorted(missing))) if missing else []

    def has_grown(self, written: Collection[NamedId] = ()) -> bool:
        """Whether somebody else has meanwhile derived records that belong to them.

        Whoever inserts its rows last sees those of the other. If it did not look, a row that lacks records might stay.

        Args:
            written: the keys of orders that were inserted since.
        """
        keys = self._keys | (self._source.orders_of_trades(self._searched) if self._searched else set())
        known = self._source.known(keys, self._names)
        return not (known.records <= self.rows.keys() and known.keys <= keys.union(written))

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
        return self._known(keys - self._keys, ids - self._names)

    def _known(self, keys: set[NamedId], ids: set[NamedId]) -> set[RecordId]:
        """The records of orders and ids that were not looked for yet, and of the orders that these ids tell of."""
        known = self._memory.known(keys, ids)
        self._keys |= keys
        self._names |= ids
        self.ids |= known.ids
        self.orders |= {key for key, order in known.orders.items() if not order.is_removed}
        more = known.keys - self._keys
        return known.records | (self._known(more, set()) if more else set())


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
