"""Reading and writing the layer `unique` (`unique.py`): what deriving its rows needs of the database."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ringbuf.record.execution import EXECUTION
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.sinks.clickhouse import funding_records, presence, row_binary, unique
from ringbuf.sinks.clickhouse.derived_table import Statements
from ringbuf.sinks.clickhouse.dropped import Dropped
from ringbuf.sinks.clickhouse.keys import (
    INSTRUMENT_OF_RECORD,
    NONE,
    ORDER_OF_RECORD,
    RECORD_IDS,
    Chosen,
    FillKey,
    Instrument,
    NamedId,
    RecordId,
    instrument_in,
    listed_id,
    listed_orders,
    of_fills,
    records_in,
)
from ringbuf.sinks.clickhouse.noted import Noted
from ringbuf.sinks.clickhouse.part_numbers import PartNumbers
from ringbuf.sinks.clickhouse.plain import plain_copies, plain_fills, plain_orders
from ringbuf.sinks.clickhouse.table import quoted, table_name
from ringbuf.sinks.clickhouse.views.expression import INSTRUMENT, listed
from ringbuf.sinks.clickhouse.views.reports import FUNDING

MOST_OF_AN_ID: Final = 1_000
"""An id under which more orders are known tells of none of them: it is a label."""
MOST_GAPS: Final = 100
"""So many ranges of records may be gaps; of more it is asked which of them there are."""
_CLOCK: Final = 2
"""Of rows of orders 1 stands for those that are removed, and this for a row with the time."""
_IDS: Final = ("client_order_id", "orig_client_order_id", "trade_id", "report_id", "ref_id")


class KnownId(NamedTuple):
    """An id under which an order is known, or a record that is found by its trade; the other of the two is empty."""

    instrument: Instrument
    id: str
    order_key: str
    record: RecordId


class KnownOrder(NamedTuple):
    """An order of which there is a row, or was.

    Attributes:
        records: (session, seq) of those that tell of it.
        is_removed: whether its row was removed.
        chain: that of its latest row, as `orders_of_chains` takes it; None if it is alone.
    """

    records: frozenset[RecordId]
    is_removed: bool
    chain: NamedId | None


class Known(NamedTuple):
    """What is known of orders, and under ids.

    Attributes:
        orders: by their keys; those of which nothing is known are not among them.
        ids: what is known under each id; of a label not all.
        at_ns: the server's time when it was asked, ns since the epoch; None if it was not.
    """

    orders: dict[NamedId, KnownOrder]
    ids: set[KnownId]
    at_ns: int | None = None

    def telling(self) -> list[KnownId]:
        """What is known under ids that are no labels."""
        counts = Counter((each.instrument, each.id) for each in self.ids)
        return [each for each in self.ids if counts[each.instrument, each.id] <= MOST_OF_AN_ID]

    @property
    def records(self) -> set[RecordId]:
        """Those of the orders, and those without an order."""
        of_orders = {record for each in self.orders.values() for record in each.records}
        return of_orders | {each.record for each in self.telling() if not each.order_key}

    @property
    def keys(self) -> set[NamedId]:
        """The keys of the orders that ids tell of."""
        return {(each.instrument, each.order_key) for each in self.telling() if each.order_key}


class UniqueRows:
    """The layer of one database.

    Attributes:
        dropped: what was dropped of it.
        noted: which records are derived.
        parts: the numbers of the parts of its tables.
    """

    def __init__(self, statements: Statements) -> None:
        self.dropped = Dropped(statements)
        self.noted = Noted(statements)
        self.parts = PartNumbers(statements)
        self._database, self._ask, self._run = statements.database, statements.ask, statements.run
        self._insert_rows, self._now = statements.insert, statements.layout.now
        self._latest: int | None = None
        self._records = table_name(EXECUTION, self._database)
        self._named = {name: f"{quoted(self._database)}.{quoted(name)}" for name in unique.TABLES}
        self._fills, self._orders, self._ids, _ = self._named.values()

    def version(self) -> int:
        """A version greater than that of every row so far; take it before the records are read."""
        return self.version_at(self.now())

    def version_at(self, now_ns: int) -> int:
        """The same, if it was the server's time when something was read.

        It is that time, or, while the server's clock is behind what it was, the least that will do.
        """
        if self._latest is None:
            latest = " UNION ALL ".join(
                f"SELECT max(version) AS latest FROM {each} WHERE version >= {now_ns - 2}"  # by its index
                for each in (self._fills, self._orders)
            )
            ((found,),) = self._ask(f"SELECT toString(ifNull(max(latest), 0)) FROM ({latest})")
            self._latest = int(found)
        self._latest = max(now_ns, self._latest + 2)  # what plain fills replace has one less
        return self._latest

    def now(self) -> int:
        """The server's time, ns since the epoch."""
        ((now,),) = self._ask(f"SELECT toString({self._now})")
        return int(now)

    # Reading

    def pending(self) -> SeqSet:
        """The records that are not derived yet, and perhaps some that there are not: a few gaps, if any."""
        rows = self._ask(
            "SELECT toString(session), toString(min(seq)), toString(max(seq) + 1)"
            f" FROM {self._records} GROUP BY session"
        )
        found = SeqSet(map(_range, rows)) - self.noted.ranges()
        if len(found.ranges) > MOST_GAPS:  # of records that somebody has removed
            found -= presence.missing(self._ask, self._records, found)
        return found

    def present(self, chosen: Chosen) -> SeqSet:
        """Those of some records that there are."""
        rows = self._ask(
            "SELECT toString(session), toString(min(seq)), toString(max(seq) + 1) FROM ("
            "SELECT session, seq, seq - row_number() OVER (PARTITION BY session ORDER BY seq) AS run"
            f" FROM (SELECT DISTINCT session, seq FROM {self._records} WHERE {chosen.condition()}))"
            " GROUP BY session, run"
        )
        return SeqSet(map(_range, rows))

    def records(self, chosen: Chosen) -> list[dict[str, Any]]:
        """Records of EXECUTION, as `ringbuf.trading.derivation` takes them."""
        columns = [_column(name) for name in EXECUTION.names]
        rows = self._ask(f"SELECT {', '.join(columns)} FROM {self._records} FINAL PREWHERE {chosen.condition()}")
        return [{name: _value(name, each) for name, each in zip(EXECUTION.names, row, strict=True)} for row in rows]

    def known(self, keys: Collection[NamedId], ids: Collection[NamedId]) -> Known:
        """What is known of orders by their keys, and under client ids and ids of trades."""
        parts = []
        if ids:
            listed = ", ".join(listed_id(*each) for each in sorted(ids))
            parts.append(
                f"SELECT DISTINCT {INSTRUMENT}, id, order_key, '' AS chain_key, [(session, seq)] AS records,"
                f" toUInt64(0) AS version, 0 AS kind FROM {self._ids} WHERE (id, {INSTRUMENT}) IN ({listed})"
                f" LIMIT {MOST_OF_AN_ID + 1} BY id, {INSTRUMENT}"
            )
        if keys:
            parts.append(
                f"SELECT {INSTRUMENT}, '' AS id, order_key, chain_key, record_ids AS records, version, is_removed OR"
                f" is_hard AS kind FROM {self._orders} WHERE ({unique.ORDER_KEY}) IN ({listed_orders(keys)})"
            )
        if not parts:
            return Known({}, set())
        parts.append(
            f"SELECT '', '', '', false, '', '', '', [(toUInt64(0), toUInt64(0))], toUInt64({self._now}), {_CLOCK}"
        )
        known: set[KnownId] = set()
        orders: dict[NamedId, KnownOrder] = {}
        at_ns = None
        for *key, name, order_key, chain_key, records, version, kind in sorted(
            self._ask(" UNION ALL ".join(parts)), key=_version
        ):
            instrument, records = instrument_in(key), frozenset(records_in(records))
            if kind == _CLOCK:
                at_ns = int(version)
            elif name:
                known.add(KnownId(instrument, name, order_key, *records))
            else:
                before = orders.get((instrument, order_key))
                records |= frozenset() if before is None else before.records
                chain = (instrument, chain_key) if chain_key else None
                orders[instrument, order_key] = KnownOrder(records, bool(kind), chain)
        return Known(orders, known, at_ns)

    def orders_of_chains(self, chains: Collection[NamedId]) -> set[NamedId]:
        """The keys of the orders of chains, each by its instrument and the key of the order with which it began."""
        if not chains:
            return set()
        texts = listed(sorted({each for _, each in chains}))  # for the skip index
        named = ", ".join(listed_id(*each) for each in sorted(chains))
        return self._order_keys(
            f"{self._orders} WHERE chain_key IN ({texts}) AND (chain_key, {INSTRUMENT}) IN ({named})"
        )

    def orders_of_trades(self, ids: Collection[NamedId]) -> set[NamedId]:
        """The keys of the orders that have fills under such ids of trades or of reports."""
        if not ids:
            return set()
        texts = listed(sorted({each for _, each in ids}))  # for the skip indexes
        named = ", ".join(listed_id(*each) for each in sorted(ids))
        return self._order_keys(
            f"{self._fills} FINAL WHERE order_key != '' AND (trade_id IN ({texts}) OR report_id IN ({texts}))"
            f" AND ((trade_id, {INSTRUMENT}) IN ({named}) OR (report_id, {INSTRUMENT}) IN ({named}))"
        )

    def _order_keys(self, source: str) -> set[NamedId]:
        rows = self._ask(f"SELECT DISTINCT {unique.ORDER_KEY} FROM {source}")
        return {(instrument_in(row), row[4]) for row in rows}

    def related(self, chosen: Chosen) -> set[RecordId]:
        """The records of known orders that chosen records tell of by an id; chosen ones may be among them."""
        records = f"{self._records} WHERE ({chosen.condition()})"
        ids = f"arrayJoin(arrayFilter(each -> each NOT IN ({NONE}), [{', '.join(_IDS)}]))"
        told = f"SELECT DISTINCT {ids}, {INSTRUMENT_OF_RECORD} FROM {records}"
        no_labels = (
            f"SELECT id, {INSTRUMENT} FROM {self._ids} WHERE (id, {INSTRUMENT}) IN ({told})"
            f" GROUP BY id, {INSTRUMENT} HAVING uniqExact(order_key, session, seq) <= {MOST_OF_AN_ID}"
        )
        rows = self._ask(f"""
            SELECT toString(record.1), toString(record.2)
            FROM (
                SELECT arrayJoin(record_ids) AS record FROM {self._orders}
                WHERE ({unique.ORDER_KEY}) IN (
                    SELECT {ORDER_OF_RECORD} FROM {records} AND order_id NOT IN ({NONE})
                ) OR ({unique.ORDER_KEY}) IN (
                    SELECT {unique.ORDER_KEY} FROM {self._ids} WHERE (id, {INSTRUMENT}) IN ({no_labels})
                )
                UNION ALL
                SELECT (session, seq) FROM {self._ids} WHERE order_key = '' AND (id, {INSTRUMENT}) IN ({no_labels})
            )
            GROUP BY record""")
        return set(records_in(rows))

    def contents(self, keys: Collection[FillKey]) -> dict[FillKey, int]:
        """Of the fills that there are under these keys a hash of what their rows say; 0 if it is not known."""
        if not keys:
            return {}
        rows = self._ask(
            f"SELECT toString(minute), {INSTRUMENT}, toString(session), toString(seq), toString(content)"
            f" FROM {self._fills} FINAL WHERE {of_fills(keys)}"
        )
        found = {(int(row[0]), instrument_in(row[1:]), int(row[5]), int(row[6])): int(row[7]) for row in rows}
        return {key: content for key, content in found.items() if key in keys}

    def hard(self, chosen: Chosen, version: int) -> tuple[list[list[RecordId]], list[RecordId]]:
        """The records of each order of a version that is not plain, and those of the chosen that name no order."""
        rows = self._ask(f"SELECT {RECORD_IDS} FROM {self._orders} WHERE version = {version} AND is_hard")
        unnamed = self._ask(
            f"SELECT toString(session), toString(seq) FROM {self._records} FINAL PREWHERE {chosen.condition()}"
            f" WHERE order_id IN ({NONE}) AND client_order_id = '' AND orig_client_order_id = '' AND NOT {FUNDING}"
        )
        return [[*records_in(ids)] for (ids,) in rows], [*records_in(unnamed)]

    def older(self, orders: Iterable[NamedId], version: int) -> set[NamedId]:
        """Which of these orders have rows, but none of this version or a later one."""
        keys = listed_orders(orders)
        source = f"{self._orders} FINAL WHERE ({unique.ORDER_KEY}) IN ({keys}) AND version < {version}"
        return self._order_keys(source) if keys else set()

    # Writing

    def insert_plain(self, chosen: Chosen, version: int, known: Collection[NamedId] | None = None) -> set[int]:
        """Insert the rows of orders and fills that are plain; those of other orders under keys of their own, `is_hard`.

        Args:
            known: orders that may have rows; None if any may. None of them is replaced by one that was derived from
                less: meanwhile records may have been dropped.

        Returns:
            the minutes in which such fills count, or counted.
        """
        records = f"{self._records} FINAL PREWHERE ({chosen.condition()})"
        fills, orders = ", ".join(unique.FILL_COLUMNS), ", ".join(unique.ORDER_COLUMNS)
        apart = "if(is_hard, concat('hard:', order_key), order_key)"  # the row that such an order has stays
        has_all = f"""
            ALL LEFT JOIN ({self._known_records(chosen, known)}) AS known USING ({unique.ORDER_KEY})
            WHERE is_hard OR hasAll(record_ids, known_ids)"""
        self._run(
            f"INSERT INTO {self._orders} ({orders}, is_hard, version, is_removed)"
            f" SELECT {orders.replace('order_key', apart)}, is_hard, {version}, 0 FROM ({plain_orders(records)}) AS new"
            f"{has_all if known is None or known else ''}"
        )
        of_version = f"FROM {self._orders} WHERE version = {version}"
        new = Chosen(chosen.ranges).condition()
        hard = f"SELECT {INSTRUMENT}, order_id {of_version} AND is_hard"
        self._run(
            f"INSERT INTO {self._fills} ({fills}, version, is_removed)"
            f" SELECT {fills}, {version}, 0 FROM ({plain_fills(records, new, hard)})"
        )
        self._run(
            f"INSERT INTO {self._ids} ({INSTRUMENT}, id, order_key, session, seq) SELECT {INSTRUMENT},"
            f" arrayJoin(arrayConcat(client_ids, [order_key])), order_key, 0, 0 {of_version} AND NOT is_hard"
        )
        if self._count_plain(version):
            self._run(
                f"INSERT INTO {self._fills} ({unique.FILL_KEY}, version, is_removed)"
                f" SELECT {unique.FILL_KEY}, {version - 1}, 1 FROM ({plain_copies(records, new, hard)})"
            )
            self.parts.count(unique_fills=1)
        rows = self._ask(
            f"SELECT DISTINCT toString(minute) FROM {self._fills} WHERE version IN ({version - 1}, {version})"
        )
        return {int(minute) for (minute,) in rows}

    def _count_plain(self, version: int) -> bool:
        """Count the inserts of a version's plain rows; whether there are fills with copies among them."""
        of_version = f"FROM {self._orders} WHERE version = {version}"
        ((orders, plain, fills, with_copies),) = self._ask(
            f"SELECT (SELECT count() {of_version}) AS orders, (SELECT count() {of_version} AND NOT is_hard) AS plain,"
            f" count() AS fills, countIf(copies > 1) AS with_copies FROM {self._fills} WHERE version = {version}"
        )
        self.parts.count(unique_orders=orders, known_ids=plain, unique_fills=fills)
        return int(with_copies) > 0

    def insert_funding(self, chosen: Chosen) -> None:
        """Insert the records of funding among the chosen ones."""
        self._run(funding_records.insertion(self._database, chosen.condition()))

    def _known_records(self, chosen: Chosen, known: Collection[NamedId] | None) -> str:
        """From which records orders were derived: known ones, or all that chosen records name by order id."""
        keys = listed_orders(known or ()) or (
            f"SELECT {ORDER_OF_RECORD} FROM {self._records} WHERE ({chosen.condition()}) AND order_id NOT IN ({NONE})"
        )
        return (
            f"SELECT {unique.ORDER_KEY}, record_ids AS known_ids FROM {self._orders} FINAL"
            f" WHERE ({unique.ORDER_KEY}) IN ({keys}) AND NOT is_hard"
        )

    def insert_fills(self, rows: Sequence[Mapping[str, Any]], version: int, *, removed: bool = False) -> None:
        """Insert rows of fills, with `minute` and `content`; or keys of fills that there are not."""
        self._insert("unique_fills", rows, {"version": version, "is_removed": int(removed)})

    def insert_orders(
        self, rows: Sequence[Mapping[str, Any]], version: int, removed: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Insert rows of orders, and keys of orders that there are not (see `unique.py`), all at once."""
        columns = unique.TABLES["unique_orders"].columns
        blank = {name: row_binary.default(columns[name]) for name in rows[0]} if rows else {}
        told = [{**each, "is_hard": False} for each in rows] + [{**blank, **each, "is_hard": True} for each in removed]
        self._insert("unique_orders", told, {"version": version, "is_removed": 0})

    def insert_ids(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert under which ids orders, or records without one, are known."""
        self._insert("known_ids", rows, {})

    def _insert(self, name: str, rows: Sequence[Mapping[str, Any]], more: Mapping[str, Any]) -> None:
        if rows:
            types = unique.TABLES[name].columns
            whole = [{**row, **more} for row in rows]
            self._insert_rows(name, {each: types[each] for each in whole[0]}, whole)
            self.parts.count(**{name: len(rows)})


def _version(known: Sequence[Any]) -> int:
    return int(known[-2])


def _range(row: Sequence[str]) -> Range:
    session, begin, end = map(int, row)
    return Range.between(session, begin, end)


def _column(name: str) -> str:
    if EXECUTION.is_time(name):
        return f"toString(toUnixTimestamp64Nano({name}))"
    if name not in EXECUTION.words and EXECUTION.dtype[name].kind in "ui":
        return f"toString({name})"
    return f"toString({name})" if EXECUTION.dtype[name].kind == "f" else name


def _value(name: str, value: Any) -> Any:
    kind = EXECUTION.dtype[name].kind
    if name in EXECUTION.words or kind == "S":
        return value
    return float(value) if kind == "f" else int(value)
