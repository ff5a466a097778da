"""Rows of orders and fills, derived from the records of their instruments by the rules.

They are those of the views `orders` and `fills`, to the last digit, so either may be asked.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ringbuf.record.enumerations import Origin
from ringbuf.trading.book import Book
from ringbuf.trading.column import KEY, Row, value_of
from ringbuf.trading.fill_row import fill_rows
from ringbuf.trading.heard import Heard
from ringbuf.trading.number import Exactly
from ringbuf.trading.order_row import order_rows
from ringbuf.trading.reading import RowReading
from ringbuf.trading.report import Instrument, Report

_SIMULATED: Final = (int(Origin.SIMULATED), Origin.SIMULATED.name.lower())


class Derived(NamedTuple):
    """What records come to.

    Attributes:
        orders: a row for each order, with the columns of the view `orders` and four more. `order_key`: `id:ORDER_ID`,
            or `client:NUMBER:CLIENT_ORDER_ID` as long as no record tells its order id. `client_ids`: the client order
            ids that its reports tell, sorted. `record_ids`: (session, seq) of its reports, sorted. `chain_key`: the key
            of the order with which its chain began, empty if it is alone. A chain are orders that took each other's
            place. One that tells a `link_id` begins another chain, and has it for those after it, among which are then
            those that were named after it under its client id without a request of their own.
        fills: a row for each fill that was not taken back, with the columns of the view `fills` and the `order_key` of
            its order, empty if it names none.
        unreadable: how many records have a word that is not known, and which counts as absent.
    """

    orders: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    unreadable: int


def derive(records: Iterable[Row]) -> Derived:
    """The orders and fills of some records of EXECUTION.

    Args:
        records: in any order; one that comes twice counts once. Whatever has an order or a trade in common with one of
            them must be among them. Records of funding tell of no order and no fill.

    Returns:
        Its rows have exact numbers as Decimal, None if they are not countable; all else is as in `Row`.
    """
    found = Derived([], [], 0)
    unreadable = 0
    with Exactly():
        for (*key, is_simulated), rows in _by_instrument(records).items():
            book = Book(Instrument(*key))
            heard, odd = _heard(book, rows)
            of_all = dict(zip(KEY, key, strict=True)) | {"simulated": is_simulated}
            found.orders.extend(of_all | each for each in order_rows(heard))
            found.fills.extend(of_all | each for each in fill_rows(heard, book))
            unreadable += odd
    return found._replace(unreadable=unreadable)


def _by_instrument(records: Iterable[Row]) -> dict[tuple[str, str, str, bool], list[Row]]:
    """The records of each instrument; simulated ones are a world of their own."""
    unique = {(each["session"], each["seq"]): each for each in records}
    found = defaultdict(list)
    for each in unique.values():
        found[(*(value_of(each, name) for name in KEY), each.get("origin") in _SIMULATED)].append(each)
    return found


def _heard(book: Book, rows: list[Row]) -> tuple[list[Heard], int]:
    """Apply records in the order of their arrival; gives the reports, and how many have a word that is not known."""
    readings = [(row, RowReading(row)) for row in rows]
    reports = [(row, Report(reading)) for row, reading in readings]
    found = []
    for row, report in _arrived([each for each in reports if not each[1].is_funding]):
        changed = book.apply(report, before_ns=0)
        book.new.clear()
        order, rank = changed.order, changed.rank
        if order is not None and rank is None:
            rank = order.rank_of(report)
        found.append(Heard(row, report, order, rank, changed.rank is not None, changed.fill))
    return found, sum(not reading.is_whole for _, reading in readings)


def _arrived(reports: list[tuple[Row, Report]]) -> list[tuple[Row, Report]]:
    """Reports in the order of their arrival: within a session by `seq`, across sessions by the time of capture."""
    latest: dict[int, int] = {}
    placed = []
    for each in sorted(reports, key=lambda each: (each[0]["session"], each[0]["seq"])):
        session, captured_ns = each[0]["session"], each[0]["captured_ns"]
        latest[session] = max(latest.get(session, captured_ns), captured_ns)
        placed.append((latest[session], each))
    placed.sort(key=lambda each: each[0])
    return [each for _, each in placed]
