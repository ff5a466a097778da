"""The row of a fill: as it counts now, and of each other column the first that its copies tell, live ones first."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from ringbuf.record.enumerations import ExecType, Side
from ringbuf.record.fields import BY_NAME
from ringbuf.trading.book import Book
from ringbuf.trading.column import KEY, OF_RECORD, Columns, flags_of, is_told, value_of
from ringbuf.trading.heard import Heard
from ringbuf.trading.number import is_countable, quote_of
from ringbuf.trading.report import Report
from ringbuf.trading.trade import Fill, Told, Trade, kept_of

T = TypeVar("T")

_INFINITE: Final = Decimal("Infinity")
_COUNTED: Final = ("last_price", "last_quantity")
_LASTING: Final = ("side", "position_side", "position_id")
_OWN: Final = (*KEY, *OF_RECORD, *_COUNTED, *_LASTING, "exec_type", "flags")
_OTHERS: Final = Columns(name for name in BY_NAME if name not in _OWN)
_PRICE: Final = Columns(("last_price",))
_COMMISSIONS: Final = ("commission", "other_commission")
_PAID: Final = [Columns((name, f"{name}_currency")) for name in _COMMISSIONS]


def fill_rows(heard: Iterable[Heard], book: Book) -> Iterator[dict[str, Any]]:
    """A row for each fill that the reports of one instrument tell of and that was not taken back.

    Also for fills without a quantity above zero. They count nowhere, and of them only the price is ever corrected.
    """
    copies: defaultdict[Fill, list[Heard]] = defaultdict(list)
    uncounted: defaultdict[Hashable, list[Heard]] = defaultdict(list)
    changes: dict[Report, Heard] = {}
    for each in heard:
        if each.fill is not None:
            copies[each.fill].append(each)
        elif each.report.exec_type is ExecType.FILL and each.report.last_quantity != 0:
            uncounted[_trade_of(each, book)].append(each)
        elif each.report.is_change:
            changes[each.report] = each
    for trade in {fill.trade: None for fill in copies}:
        told = trade.told()
        kept = kept_of(told)
        corrections = {fill: [changes[each] for each in its] for fill, its in trade.corrected_commissions(kept).items()}
        yield from _rows(trade, told, kept, copies, corrections)
    for key, its in uncounted.items():
        trade = key if isinstance(key, Trade) else Trade()
        shown = {place: _told(each, trade.corrected_price) for place, each in enumerate(its)}
        yield from _rows(trade, shown, kept_of(shown), {place: [each] for place, each in enumerate(its)}, {})


def _rows(
    trade: Trade,
    told: Mapping[T, Told],
    kept_by: Mapping[T, T],
    copies: Mapping[T, list[Heard]],
    corrections: Mapping[T, list[Heard]],
) -> Iterator[dict[str, Any]]:
    if trade.is_canceled:
        return
    of_kept: defaultdict[T, list[Heard]] = defaultdict(list)
    for fill, kept in kept_by.items():
        of_kept[kept] += copies[fill]
    for kept, its in of_kept.items():
        its.sort(key=lambda each: each.report.rank)
        counted = told[kept]
        if isinstance(kept, Fill) and kept.reach is not None and not kept.is_ignored:
            if not kept.counted:
                continue  # others took its place
            counted = counted._replace(quantity=kept.counted)
        row = _row(counted, its) | {"corrected": trade.is_corrected or kept in corrections}
        for place, name in enumerate(_COMMISSIONS if kept in corrections else ()):
            row |= _commission(name, place, corrections[kept], its)
        yield row


def _trade_of(heard: Heard, book: Book) -> Hashable:
    """What fills without a quantity above zero have in common, if they are of one trade."""
    report = heard.report
    name = report.trade_id or report.report_id
    if name:
        return book.trade(name) or name
    if report.total is None and not report.exchange_ns:
        return heard.record_id
    return heard.order_now, report.last_price, _quantity_of(heard), report.total, report.exchange_ns


def _told(heard: Heard, corrected_price: Decimal | None) -> Told:
    """What a fill without a quantity above zero tells."""
    order, report = heard.order_now, heard.report
    side = report.side or (order.side if order else report.side)
    price = report.last_price if corrected_price is None else corrected_price
    return Told(order, side, price, _quantity_of(heard))


def _quantity_of(heard: Heard) -> Decimal:
    """The quantity of a fill; infinite if it has none."""
    quantity = heard.report.last_quantity
    return quantity if quantity is not None else _INFINITE if is_told(heard.row, "last_quantity") else -_INFINITE


def _row(told: Told, heard: Sequence[Heard]) -> dict[str, Any]:
    rows = [each.row for each in heard]
    order = told.order
    position_side = next((each.report.position_side for each in heard if each.report.position_side), "")
    position_id = next((each.report.position_id for each in heard if each.report.position_id), "")
    row = {
        "order_key": "" if order is None else order.key,
        **{name: value_of(rows[0], name) for name in OF_RECORD},
        **_OTHERS.first_told(rows),
        "side": told.side.name.lower(),
        "position_side": position_side or (order.position_side if order else "") or "unknown",
        "position_id": position_id or (order.position_id if order else ""),
        "flags": flags_of(rows),
        "copies": len(rows),
        **{f"{name}_paid": _paid(heard, place) for place, name in enumerate(_COMMISSIONS)},
    }
    return row | _amounts(told, heard)


def _amounts(told: Told, heard: Sequence[Heard]) -> dict[str, Any]:
    """Price and quantity as they count now."""
    price, quantity = told.price, told.quantity
    is_counted = told.side is not Side.UNKNOWN and is_countable(quantity) and quantity > 0
    quote = None if price is None or not is_counted else quote_of(price, quantity)
    return {
        **(_PRICE.first_told([each.row for each in heard]) if price is None else {"last_price": float(price)}),
        "last_quantity": float(quantity) if quantity.is_finite() else value_of(heard[0].row, "last_quantity"),
        "counted": is_counted,
        "priced": quote is not None,
        "traded_price": price if price is not None and is_countable(price) else None,
        "traded_quantity": quantity if is_countable(quantity) else None,
        "traded_quote": quote,
    }


def _commission(name: str, place: int, corrections: Sequence[Heard], copies: Sequence[Heard]) -> dict[str, Any]:
    """A commission, with its currency, of a fill of which corrections tell one."""
    heard = [*(each for each in corrections if each.report.commissions[place] is not None), *copies]
    return {**_PAID[place].first_told([each.row for each in heard]), f"{name}_paid": _paid(heard, place)}


def _paid(heard: Sequence[Heard], place: int) -> Any:
    """A commission, from the first copy that tells it."""
    for each in heard:
        if is_told(each.row, _COMMISSIONS[place]):
            commission = each.report.commissions[place]
            return commission.amount if commission is not None and is_countable(commission.amount) else None
    return None
