"""A slow model of orders and trades: it keeps all reports, and reckons everything anew from what the rules say."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tests.model.reports import REQUESTS, Report, reports

ZERO: Final = Decimal(0)
ABOUT_ITSELF: Final = {*REQUESTS, "canceled", "cancel_rejected"}
Key = tuple[str, ...]
Moment = tuple[int, int]
Rank = tuple[int, int, Decimal, int]


class Fill(NamedTuple):
    """One fill as it was reported first, and as it counts since a moment."""

    moment: Moment
    order: Key
    reported: Decimal
    counted: Decimal
    changed: Moment | None
    commission: Decimal


class Told(NamedTuple):
    """What a report tells of its order, and how late it is."""

    rank: Rank
    report: Report


class Model:
    """Orders and fills of one instrument after some records, all of which tell a side."""

    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self.reports = list(reports(records))
        self.first_names = self._first_names()
        self.order_of = {each: self._order_of(each) for each in self.reports}
        self.times = {each: self._venue_ns(each) for each in self.reports}
        self.trade_of = {each: self._trade_of(each) for each in self.reports}
        self.fills = [fill for trade in self._trades(len(self.reports)) for fill in self._fills(trade)]
        self.orders = {key: OrderModel(self, key) for key in dict.fromkeys(self.order_of.values()) if key}

    @property
    def position(self) -> tuple[Decimal, ...]:
        """Held, open to buy and to sell, awaited to buy and to sell."""
        sides = {key: next(each.text("side") for each in order.reports) for key, order in self.orders.items()}
        held = sum((each.counted if sides[each.order] == "buy" else -each.counted for each in self.fills), ZERO)
        by_side = [[order for key, order in self.orders.items() if sides[key] == side] for side in ("buy", "sell")]
        still_open = [sum((each.open for each in orders), ZERO) for orders in by_side]
        return held, *still_open, *(sum((each.awaited for each in orders), ZERO) for orders in by_side)

    # Which order a report is about

    def _first_names(self) -> list[dict[str, str]]:
        """At each arrival, of the client ids of requests those of the orders they are about."""
        found: list[dict[str, str]] = [{}]
        known: set[str] = set()
        for each in self.reports:
            now = dict(found[-1])
            own, first = each.text("client_order_id"), each.text("orig_client_order_id")
            if each.is_new_request:
                now.pop(own, None)
            elif own and first and own != first and not each.order_id and (own in now or own not in known):
                now[own] = now.get(first, first)
            known |= {own, first} - now.keys()
            found.append(now)
        return found

    def _name(self, report: Report) -> str:
        name = report.text("orig_client_order_id") or report.text("client_order_id")
        return self.first_names[report.arrival].get(name, name)

    def names(self, order_id: str) -> dict[str, int]:
        """The client ids of an order with the arrival of the report that named it so first."""
        found: dict[str, int] = {}
        for each in self.reports:
            if each.order_id == order_id:
                told = [each.text("client_order_id")]
                told += [each.text("orig_client_order_id")] if each.exec_type in ABOUT_ITSELF else []
                for name in filter(None, told):
                    found.setdefault(name, each.arrival)
        return found

    def named(self, name: str) -> list[tuple[int, str]]:
        """The orders that were named under a client id, with the arrival of the first report that did."""
        found = []
        for order_id in dict.fromkeys(each.order_id for each in self.reports if each.order_id):
            names = self.names(order_id).items()
            arrivals = [at for its, at in names if self.first_names[at].get(its, its) == name]
            found += [(min(arrivals), order_id)] if arrivals else []
        return sorted(found)

    def _order_of(self, report: Report) -> Key:
        if report.order_id:
            return (report.order_id,)
        name = self._name(report)
        if not name:
            return ()
        before = [each for each in self.reports if each.arrival <= report.arrival and not each.is_copy]
        number = max(1, sum(each.is_new_request and self._name(each) == name for each in before))
        orders = self.named(name)
        known = [order_id for arrival, order_id in orders if arrival < report.arrival]
        if number <= len(known):
            return (known[-1],)
        return (orders[number - 1][1],) if number <= len(orders) else ("", name, str(number))

    def _venue_ns(self, report: Report) -> int:
        """Its venue time, or the latest of what was known to be of its order when it arrived."""
        key, known_at = self.order_of[report], self._known_at(report)
        if report.venue_ns or not key:
            return report.venue_ns
        before = [each for each in self.reports[: report.arrival] if self.order_of[each] == key]
        return max(
            each.venue_ns
            for each in before
            if max(known_at, self._known_at(each)) <= report.arrival
            or (known_at > report.arrival and self._known_at(each) > report.arrival)
        )

    def _known_at(self, report: Report) -> int:
        """The arrival since which it is known which order it is about."""
        key = self.order_of[report]
        if report.order_id or len(key) != 1:
            return 0
        return max(0, *(at for at, order_id in self.named(self._name(report)) if order_id == key[0]))

    # Trades

    def _trades(self, arrivals: int) -> list[list[Report]]:
        """The reports of each trade, as far as so many reports tell."""
        told = [each for each in self.reports[:arrivals] if each.is_trade or each.is_change]
        keys = _joined([self._ids(each) for each in told])
        return [[each for each, its in zip(told, keys, strict=True) if its == key] for key in dict.fromkeys(keys)]

    def _trade_of(self, report: Report) -> list[Report]:
        """The reports of its trade when it arrived, without itself."""
        trades = [trade for trade in self._trades(report.arrival) if report in trade]
        return [each for trade in trades for each in trade if each is not report]

    def _ids(self, report: Report) -> list[Any]:
        names = ["trade_id", "report_id", *(["ref_id"] if report.is_change else [])]
        ids = [report.text(name) for name in names if report.text(name)]
        told = report.number("last_price"), report.number("last_quantity"), report.total
        ns = report.fields.get("exchange_ns")
        is_told = report.total is not None or ns
        return ids or [(self.order_of[report], *told, ns) if is_told else report.arrival]

    def _fills(self, told: list[Report]) -> list[Fill]:
        canceled = min((each.moment for each in told if each.exec_type == "trade_cancel"), default=None)
        price, quantity = (_last_correction(told, name) for name in ("last_price", "last_quantity"))
        counted: dict[Any, Report] = {}
        found: dict[Any, tuple[Any, Fill]] = {}
        trades = {
            each: (
                self.order_of[each],
                (price or each).number("last_price"),
                (quantity or each).number("last_quantity") or ZERO,
            )
            for each in told
            if each.is_trade
        }
        for each, now in trades.items():
            order, reported = self.order_of[each], each.number("last_quantity") or ZERO
            whole = order, each.number("last_price"), reported
            is_copy = counted.setdefault(now, each) is not each
            amount = ZERO if is_copy or canceled else now[2]
            since = canceled or (quantity.moment if quantity else None)
            changed = None if is_copy or amount == reported else since
            found.setdefault(
                whole, (now, Fill((self.times[each], each.arrival), order, reported, amount, changed, ZERO))
            )
        paid = self._paid(told, trades)
        return [fill._replace(commission=paid.get(now, ZERO)) for now, fill in found.values()]

    def _paid(self, told: list[Report], trades: dict[Report, Any]) -> dict[Any, Decimal]:
        """The commission of each fill as it counts now: of the latest correction of it, or of the first copy."""
        found: dict[Any, Decimal] = {}
        for each in [*_corrections(told), *trades] if trades else []:
            its = [trade for trade in trades if self.order_of[trade] == self.order_of[each]]
            about = each if each.is_trade else (its or list(trades))[0]
            commission = each.number("commission")
            if commission is not None:
                found.setdefault(trades[about], commission)
        return found


class OrderModel:
    """One order, from all that was reported of it."""

    def __init__(self, model: Model, key: Key) -> None:
        self.model = model
        self.key = key
        self.reports = [each for each, its in model.order_of.items() if its == key]
        self.fills = [each for each in model.fills if each.order == key]
        self.booked = sum((each.counted for each in self.fills), ZERO)
        self.told = [Told(self._rank(each), each) for each in self.reports if self._is_news(each)]
        self.total = self._total()
        self.executed = max(self.total, self.booked)
        self.awaited = self.executed - self.booked
        self.open = self.awaited + (ZERO if self.is_over else max((self.quantity or ZERO) - self.executed, ZERO))

    def _is_news(self, report: Report) -> bool:
        if report.is_copy or report.is_own_end:
            return False
        is_changed = report.is_trade and any(each.is_change for each in self.model.trade_of[report])
        return not is_changed or "exchange_ns" in report.fields

    def _rank(self, report: Report) -> Rank:
        if report.is_new_request:
            return -1, 0, ZERO, report.arrival
        changes = [each.arrival for each in self.model.reports[: report.arrival] if self._is_change(each)]
        since = max(changes, default=0)
        reached = [
            _reached(each) for each in self.reports if since <= each.arrival <= report.arrival and self._is_news(each)
        ]
        total = None if report.is_request else report.total
        return (
            self.model.times[report],
            len(changes),
            max(reached, default=ZERO) if total is None else total,
            report.arrival,
        )

    def _is_change(self, report: Report) -> bool:
        """Whether it is news of a change of a trade of this order, or the first fill of a trade that was changed."""
        trade = self.model.trade_of[report]
        had_fill = any(each.is_trade and self.model.order_of[each] == self.key for each in trade)
        is_ours = self.model.order_of[report] == self.key
        if report.is_trade:
            return is_ours and not had_fill and any(each.is_change for each in trade)
        return report.is_change and (is_ours or had_fill) and not _is_known(report, trade)

    def _last(self, condition: Callable[[Report], bool]) -> Told | None:
        return max((each for each in self.told if condition(each.report)), key=lambda each: each.rank, default=None)

    def removed_since(self, moment: Moment) -> Decimal:
        """What the venue took back of the fills after a moment."""
        return sum((each.reported - each.counted for each in self.fills if _is_after(each.changed, moment)), ZERO)

    def _booked_at(self, moment: Moment) -> Decimal:
        before = [each for each in self.fills if each.moment <= moment]
        return sum((each.reported if _is_after(each.changed, moment) else each.counted for each in before), ZERO)

    @property
    def quantity(self) -> Decimal | None:
        granted, leaves = self._granted, self._leaves
        if leaves is None or (granted and granted.rank > leaves.rank):
            return granted.report.number("quantity") if granted else None
        total = leaves.report.total
        return (leaves.report.number("leaves_quantity") or ZERO) + (
            self._booked_at((leaves.rank[0], leaves.rank[3])) if total is None else total
        )

    def _total(self) -> Decimal:
        told = self._last(_tells_total)
        if told is None:
            return ZERO
        total = told.report.total
        if total is None:
            total = told.report.number("quantity")
        if total is None and all(each is None or each.rank < told.rank for each in (self._granted, self._leaves)):
            total = self.quantity
        return (total or ZERO) - self.removed_since((told.rank[0], told.rank[3]))

    @property
    def _granted(self) -> Told | None:
        return self._last(lambda each: each.number("quantity") is not None and each.exec_type not in REQUESTS)

    @property
    def _leaves(self) -> Told | None:
        return self._last(_tells_leaves)

    @property
    def word(self) -> tuple[Any, Report] | None:
        """The strongest word of whether it works; a final end is opened by later times only, and by no request."""
        told = [each for each in self.told if each.report.status != "unknown" and not each.report.is_request]
        if len(self.key) > 1:  # without an order id
            told += [Told(self._rank(each), each) for each in self.reports if each.is_own_end and not each.is_copy]
        words = [((*each.rank[:3], each.report.force, each.rank[3]), each.report) for each in told]
        word = max(words, key=lambda each: each[0], default=None)
        finals = (each for each in words if each[1].force == 3)
        final = max(finals, key=lambda each: (*each[0][:2], each[0][4]), default=None)
        if word and final and final[1].is_over and not word[1].is_over:
            return word if word[0][:2] > final[0][:2] and word[1].status not in REQUESTS else final
        return final if word and final and final[1].is_over and self._is_reopened(word) else word

    @property
    def is_over(self) -> bool:
        word = self.word
        if word is None or not word[1].is_over:
            return False
        return not self._is_reopened(word)

    def _is_reopened(self, word: tuple[Any, Report]) -> bool:
        return word[1].status == "filled" and self.removed_since((word[0][0], word[0][4])) > 0


def _is_after(changed: Moment | None, moment: Moment) -> bool:
    """Whether a trade was changed after a moment; without a venue time of the change its arrival tells."""
    return changed is not None and (changed > moment if changed[0] else changed[1] > moment[1])


def _reached(report: Report) -> Decimal:
    if report.is_request:
        return ZERO
    if report.total is not None:
        return report.total
    return report.number("quantity") or ZERO if report.status == "filled" else ZERO


def _tells_total(report: Report) -> bool:
    is_told = report.total is not None or report.status == "filled"
    return is_told and not (report.is_request and not report.is_new_request)


def _tells_leaves(report: Report) -> bool:
    leaves, quantity = report.number("leaves_quantity"), report.number("quantity")
    if leaves is None or report.is_over or (report.is_request and not report.is_new_request):
        return False
    return not (leaves == 0 and quantity is not None and (report.total or ZERO) < quantity)


def _own_id(change: Report) -> str:
    own = change.text("report_id")
    return own or (change.text("trade_id") if change.text("ref_id") != change.text("trade_id") else "")


def _is_known(change: Report, before: list[Report]) -> bool:
    """Whether the same cancel or correction was there before."""
    same = [each for each in before if each.exec_type == change.exec_type]
    if change.exec_type == "trade_cancel":
        return bool(same)
    return any(_correction(each) == _correction(change) for each in same)


def _correction(change: Report) -> tuple[object, ...]:
    return (
        _own_id(change),
        change.fields.get("exchange_ns"),
        change.number("last_price"),
        change.number("last_quantity"),
    )


def _last_correction(trade: list[Report], name: str) -> Report | None:
    return next((each for each in _corrections(trade) if each.number(name) is not None), None)


def _corrections(trade: list[Report]) -> list[Report]:
    """Those of a trade, the latest first; copies are as late as the first of them, and come after it."""
    references = {each.text("ref_id") for each in trade if each.is_change} - {""}
    told = [each for each in trade if each.exec_type == "trade_correct"]
    first = {each: next(same for same in told if _correction(same) == _correction(each)) for each in told}
    return sorted(told, key=lambda each: (_own_id(each) not in references, first[each].moment), reverse=True)


def _joined(ids: list[list[Any]]) -> list[Any]:
    """For each list of ids one that all lists that are linked by shared ids have in common."""
    found = {each: each for some in ids for each in some}
    for some in ids * len(ids):
        least = min((found[each] for each in some), key=repr)
        found |= dict.fromkeys(some, least)
    return [found[some[0]] for some in ids]
