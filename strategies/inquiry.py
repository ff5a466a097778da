"""One reconciliation: questions go out, answers come in, and what follows from them is applied."""

import time
from collections.abc import Collection, Generator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.record.enumerations import OrderStatus
from ringbuf.strategies.listed import Listed, is_about, is_latest, says_the_same, tells_more, word_id
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation_report import Difference, Doubt, Reconciliation
from ringbuf.strategies.venue_queries import NO_SUCH_ORDER, Failure, Question, Update, VenueQueries
from ringbuf.strategies.venues import open_orders
from ringbuf.trading.inferred_fill import inferred_fill, is_inferable
from ringbuf.trading.number import ZERO, Exactly, quantity_of
from ringbuf.trading.order import Order
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.report import Instrument, Report, instrument_named

_TRIES: Final = 3
"""So often positions are asked for, while ours change meanwhile."""


class Inquiry:
    """One reconciliation: questions go out, answers come in."""

    def __init__(
        self,
        pages: OrderPages,
        queries: VenueQueries,
        names: tuple[str, str, str],
        symbols: Collection[str] | None,
    ) -> None:
        self._pages = pages
        self._queries = queries
        self._exchange, self._account, self._strategy = names
        if not (self._exchange and self._account):
            raise ConfigurationError(f"exchange and account are {names[:2]}", "say whose orders the answers tell")
        if isinstance(symbols, str):
            raise ConfigurationError(f"symbols is the text {symbols!r}", "give a list of symbols, or None for all")
        self._whose = instrument_named(self._exchange, self._account, "")
        self._symbols = None if symbols is None else {instrument_named("", "", each).symbol for each in symbols}
        self._found = Reconciliation()
        self._told: dict[tuple[str, str], Update] = {}  # what was answered last about an order, by symbol and order id
        self._refusals = 0
        self._works: set[OrderState] = set()
        self._doubted: set[tuple[str, str]] = set()
        self._has_list = self._has_positions = True
        self._has_trades = queries.trades is not None

    def steps(self) -> Generator[Question, Any, Reconciliation]:
        """Ask, apply, and conclude."""
        awaited = {_name(each) for each in self._open_pages() if each.awaited}
        yield from self._trades()  # a fill may name an order that is known by our request alone
        absent = yield from self._absent(self._open_pages())
        if absent or any(each.awaited for each in self._open_pages()):
            yield from self._trades()  # once more, after what they are held against
        answers = yield from self._single(absent)
        self._infer(awaited)
        differing = yield from self._compare()
        for page in absent:
            self._conclude(page, answers.get(page), differing)
        return self._found

    # Asking

    def _trades(self) -> Generator[Question, Any, None]:
        """What was traded."""
        if self._queries.trades is not None:
            answer = yield Question("trades", self._queries.trades)
            self._has_trades = self._apply(answer)

    def _absent(self, started: list[OrderState]) -> Generator[Question, Any, list[OrderState]]:
        """Those of the orders that the venue does not list, asked twice; all if it cannot be told."""
        absent = started
        for _ in range(2):
            open_before = {_name(each) for each in self._open_pages()}
            answer = yield Question("open_orders", self._queries.open_orders)
            if not self._apply(answer, are_states=True):
                self._has_list = False
                return absent
            self._open_again(answer, open_before)
            listed = Listed(self._reports(answer), self._open_pages())
            absent = [each for each in absent if not listed.has(each)]
            if not absent:
                break
        return absent

    def _single(self, absent: list[OrderState]) -> Generator[Question, Any, dict[OrderState, Any]]:
        """What the venue says of each of these orders, of which something is open."""
        answers: dict[OrderState, Any] = {}
        ask = self._queries.order
        if ask is None or not self._has_list:
            return answers
        for page in (each for each in absent if each.open):
            answer = yield Question("order", partial(ask, page))
            answers[page] = answer if answer is NO_SUCH_ORDER else self._answered(page, answer)
        return answers

    def _compare(self) -> Generator[Question, Any, set[str]]:
        """The symbols of which a position differs."""
        ask = self._queries.positions
        if ask is None:
            return set()
        for _ in range(_TRIES):
            before = self._positions()
            answer = yield Question("positions", ask)
            if isinstance(answer, Failure):
                return self._without_positions(answer)
            if before == self._positions():
                break
        try:
            theirs = {self._instrument(key): quantity_of(value) for key, value in answer.items()}
        except (RecordError, TypeError, ValueError) as error:  # the last two of a key that is none
            return self._without_positions(Failure("positions", str(error)))
        for key in sorted(before.keys() | theirs.keys()):
            ours, venue = before.get(key, ZERO), theirs.get(key, ZERO)
            if ours != venue and self._is_asked(key):
                self._found.differences.append(Difference(key, ours, venue))
        return {each.position.symbol for each in self._found.differences}

    def _without_positions(self, failure: Failure) -> set[str]:
        self._found.failures.append(failure)
        self._has_positions = False
        return set()

    # Applying

    def _apply(self, answer: Any, *, are_states: bool = False) -> bool:
        """Apply the news of an answer; whether it was answered, and all of it can be read.

        Args:
            are_states: whether what it tells of orders is how they are now, also where it tells a fill with that.
        """
        if isinstance(answer, Failure):
            self._found.failures.append(answer)
            return False
        refused = self._refusals
        for each in answer:
            self._take(self._named(each) | {"origin": "lookback"}, is_state=are_states)
        return self._refusals == refused

    def _answered(self, page: OrderState, answer: Any) -> Any:
        """Apply what was answered about one order; a `Failure` if it cannot be read, or tells of others alone."""
        if not self._apply(answer, are_states=True):
            return Failure("order", "it cannot be read")
        reports = [each for each in self._reports(answer) if is_about(each, page)]
        if not reports:
            self._found.failures.append(Failure("order", f"it tells nothing of the order {page.order_id!r}"))
            return self._found.failures[-1]
        states = [each for each in reports if each.status is not OrderStatus.UNKNOWN and not each.is_trade]
        if states and not states[-1].says_over:
            self._works.add(page)
        return answer

    def _reports(self, answer: list[Update]) -> list[Report]:
        """What an answer that can be read says of the account that is asked for."""
        reports = [Report(self._named(each)) for each in answer]
        return [each for each in reports if each.instrument[:2] == self._whose[:2]]

    def _take(self, update: dict[str, Any], *, is_state: bool = True) -> None:
        try:
            report = Report(update)
        except RecordError as error:
            self._refuse(update, str(error))
            return
        if report.is_trade and not (
            report.trade_id or report.report_id or report.exchange_ns or report.total is not None
        ):
            self._refuse(update, "nothing tells this fill from others: it would count each time")
            return
        if self._is_misdated(report, is_state=is_state):
            update = {name: value for name, value in update.items() if name != "exchange_ns"}
        if report.order_id:
            self._told[report.instrument.symbol, report.order_id] = update
        if self._is_known(report, is_state=is_state):
            self._found.known += 1
            return
        refused = self._pages.refused
        self._pages.apply(self._as_news(update, report))
        if self._pages.refused > refused:  # of no order that is open here
            self._refuse(update, "it is older than the look-back", is_unread=False)
        else:
            self._found.updates.append(update)

    def _refuse(self, update: Update, why: str, *, is_unread: bool = True) -> None:
        self._refusals += is_unread
        if (update, why) not in self._found.refused:
            self._found.refused.append((update, why))

    def _is_known(self, report: Report, *, is_state: bool) -> bool:
        """Whether a report tells nothing that the ledger does not have."""
        ledger = self._pages.inventory.ledger
        with self._pages.inventory.lock, Exactly():
            if report.is_funding:
                return ledger.knows(report)
            order = self._order_of(report)
            if report.is_change:
                return ledger.knows_change(report, order)
            if report.is_trade:
                fill = ledger.known_fill(report)
                if fill is None or (fill.told.commission is None and report.commissions[0] is not None):
                    return False
                if not is_state or report.status is OrderStatus.UNKNOWN:
                    return True
            if order is None or order.state is None:
                return False
            is_old = order.has_heard(report) and not is_latest(report, order)
            return is_old or says_the_same(report, order, order.state)

    def _as_news(self, update: Update, report: Report) -> dict[str, Any]:
        """What says of an order once more what was said before something else; it would be a copy, and tell nothing."""
        with self._pages.inventory.lock:
            order = self._order_of(report)
            if order is None or report.is_trade or report.is_change or not order.has_heard(report):
                return dict(update)
            return {**update, "report_id": word_id("listed", order)}

    def _is_misdated(self, report: Report, *, is_state: bool) -> bool:
        """Whether its time is not that of what it tells: more than was known then, or that an old order works now."""
        ledger = self._pages.inventory.ledger
        with self._pages.inventory.lock, Exactly():
            if report.is_trade:
                return False
            if is_state and not report.says_over and ledger.is_too_old(report):
                return True
            order = self._order_of(report)
            return order is not None and 0 < report.exchange_ns < order.venue_ns and tells_more(report, order)

    def _open_again(self, listed: list[Update], open_before: set[tuple[str, str]]) -> None:
        """Let orders work again that the venue lists and that were over here, as after a list that was behind.

        Not those that ended later, by the venue's time, than what the list tells.

        Args:
            open_before: the orders that were open here when the venue was asked: one that ended meanwhile is over.
        """
        for each in listed:
            update = self._named(each) | {"origin": "lookback", "exec_type": "restated"}
            report = Report(update)
            with self._pages.inventory.lock:
                order = self._order_of(report)
                before = None if order is None else order.state
                is_news = order is not None and not order.has_heard(report)
            if before is None or not before.is_over or report.says_over or _name(before) in open_before:
                continue
            if is_news:
                self._take(update)
            after = self._pages.page(*before.key[:3], order_id=before.order_id, client_order_id=before.client_order_id)
            if after is not None and after.is_over:
                self._doubt([after], "the venue lists it, and here it is over")

    # Concluding

    def _infer(self, awaited: set[tuple[str, str]]) -> None:
        """Infer what the venue's totals tell and its fills do not.

        Args:
            awaited: orders of which fills were awaited before. Of others only those that the answers tell of: the fill
                of a live update may just be on its way.
        """
        for page in self._open_pages():
            if not page.awaited or not (_name(page) in awaited or (page.key.symbol, page.order_id) in self._told):
                continue
            if not self._has_trades and self._queries.trades is not None:
                self._doubt([page], "fills are awaited, and the trades are not known")
                continue
            with self._pages.inventory.lock:
                order = self._order(page)
                if order is None or order.state != page:
                    continue  # a live update came just now
                is_plain = is_inferable(order, page)
            if is_plain:
                update = inferred_fill(page, self._told.get((page.key.symbol, page.order_id), self._default()))
                self._pages.apply(update)
                self._found.updates.append(update)
                self._found.inferred.append(update)
            else:
                self._doubt([page], "fills are awaited of an order whose total is not the sum of its fills")

    def _conclude(self, before: OrderState, answer: Any, differing: set[str]) -> None:
        """Conclude what became of an order that the venue does not list."""
        with self._pages.inventory.lock:
            order = self._order(before)
            page = None if order is None else order.state
        if page is None or page.is_over or before in self._works:
            return
        heard_ns = 0 if order is None else order.heard_ns
        if why := self._why_in_doubt(page, before, answer, differing, heard_ns):
            self._doubt([page] if page.open else [], why)
            return
        status = "canceled" if page.open else "filled"
        update = self._default() | {
            "symbol": page.key.symbol,
            "exec_type": "order_status" if status == "filled" else "canceled",
            "order_status": status,
            "origin": "reconciliation",
            "order_id": page.order_id,
            "client_order_id": page.client_order_id,
            "side": page.side,
            "text": "not listed by the venue, asked twice",
        }
        if order is not None:
            update["report_id"] = word_id("absent", order)
            with Exactly():
                update["cumulative_quantity"] = page.executed + order.carried + order.restated
        self._pages.apply(update)
        self._found.updates.append(update)
        after = self._pages.page(*page.key[:3], order_id=page.order_id)
        if after is None or after.is_over:
            self._found.ended.append(update)
        else:
            self._doubt([after], "it is not listed, and what is known of it says that it works")

    def _why_in_doubt(
        self, page: OrderState, before: OrderState, answer: Any, differing: set[str], heard_ns: int
    ) -> str:
        """What speaks against it that an order is over which is not listed; empty if nothing does."""
        table = open_orders(self._exchange)
        if not self._has_list:
            return "the open orders are not known"
        if not before.order_id:
            return "the venue never named it: the request may still be on its way"
        if isinstance(answer, Failure):
            return "it is not listed, and the query of it was not answered"
        if table is None or not table.is_over:
            return "it is not listed, which says nothing at this venue"
        if answer is NO_SUCH_ORDER and not self._is_forgotten(page, heard_ns, table.forgets):
            return "it is not listed, and the venue knows no such order, though it named it"
        if answer is not NO_SUCH_ORDER and not self._has_trades:
            return "it is not listed, and whether it was filled is not known"
        if not self._has_positions:
            return "it is not listed, and the positions are not known"
        if page.key.symbol in differing:
            return "it is not listed, and the position is not the venue's"
        if page.awaited:
            return "it is not listed, and fills of it are awaited"
        return ""

    @staticmethod
    def _is_forgotten(page: OrderState, heard_ns: int, forgets: timedelta | None) -> bool:
        """Whether the venue no longer finds an order because it ended without a fill, and long enough ago."""
        if forgets is None or page.executed:
            return False
        return time.time_ns() - heard_ns > forgets // timedelta(microseconds=1) * 1_000

    def _doubt(self, pages: list[OrderState], why: str) -> None:
        for page in pages:
            name = _name(page)
            if name in self._doubted:
                continue
            self._doubted.add(name)
            # The venue named none of those under one client order id.
            same = [page] if page.order_id else [each for each in self._open_pages() if _name(each) == name]
            self._found.doubts += [Doubt(each, why) for each in same or [page]]

    # Names

    def _default(self) -> dict[str, Any]:
        return {"exchange": self._exchange, "account": self._account, "strategy": self._strategy}

    def _named(self, told: Update) -> dict[str, Any]:
        """What an answer tells of an order or trade, with the names that it leaves out."""
        return self._default() | {name: value for name, value in told.items() if value is not None}

    def _is_asked(self, key: Instrument) -> bool:
        is_in_scope = self._symbols is None or key.symbol in self._symbols
        return is_in_scope and key[:2] == self._whose[:2]

    def _open_pages(self) -> list[OrderState]:
        return [each for each in self._pages.open_pages() if self._is_asked(each.key)]

    def _positions(self) -> dict[Instrument, Decimal]:
        known = self._pages.inventory.positions()
        return {key: each.quantity for key, each in known.items() if self._is_asked(key)}

    def _instrument(self, key: str | tuple[str, str] | Instrument) -> Instrument:
        if isinstance(key, Instrument):
            return instrument_named(*key)
        symbol, side = (key, "") if isinstance(key, str) else key
        return instrument_named(self._exchange, self._account, symbol, side)

    def _order_of(self, report: Report) -> Order | None:
        """The order that a report is about, with the lock held."""
        ledger = self._pages.inventory.ledger
        return ledger.order_of(report.instrument, report.order_id, report.client_order_id)

    def _order(self, page: OrderState) -> Order | None:
        """The order of a page, with the lock held."""
        instrument = Instrument(*page.key[:3])
        return self._pages.inventory.ledger.order_of(instrument, page.order_id, page.client_order_id)


def _name(page: OrderState) -> tuple[str, str]:
    return page.key.symbol, page.order_id or f"client:{page.client_order_id}"
