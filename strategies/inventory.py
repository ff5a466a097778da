"""What a strategy holds and has in the market, known in its own process with no delay.

An order and its inventory are one state: `apply` takes a record, which carries both the fill and the order after it,
and replaces position and open quantities together. Where a venue reports them apart, what an order is known to have
executed stays in the open quantity until the fill itself has arrived. So `quantity + open_buy` cannot dip in between,
and a strategy that buys while it is below a target does not buy twice.

The rules are those of `ringbuf.trading`; the views in the database follow the same ones.

Profit is known if the inventory is given the instruments' contracts, and what is hedged if it is told how.
"""

import logging
import os
import threading
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, DefaultContext, localcontext
from typing import Any, Final

import numpy as np

from ringbuf.errors import ConfigurationError
from ringbuf.record.enumerations import ContractKind
from ringbuf.strategies.arguments import check_function, check_kind, nanoseconds
from ringbuf.strategies.handlers import RAISED
from ringbuf.trading.contract import Contract, contract_at
from ringbuf.trading.contract_table import KEY, Contracts, read_contracts, stored_key
from ringbuf.trading.hedge import Hedge, HedgeBalance
from ringbuf.trading.hedge_book import HedgeBook, HedgeOf, HedgeState
from ringbuf.trading.ledger import Ledger
from ringbuf.trading.number import ZERO, Exactly
from ringbuf.trading.order_state import OrderState
from ringbuf.trading.position import NOTHING, Holding, Position, Sums
from ringbuf.trading.profit import FLAT, Profit
from ringbuf.trading.report import Instrument, Report, instrument_named

__all__ = [
    "Contract",
    "ContractKind",
    "Hedge",
    "HedgeBalance",
    "Instrument",
    "Inventory",
    "OrderState",
    "Position",
    "Profit",
    "Sums",
    "read_instruments",
]

LOGGER: Final = logging.getLogger("ringbuf.inventory")
LOOKBACK: Final = timedelta(days=1)
FOLDED_AT_ONCE: Final = 100
"""Fills that are folded while a record that comes has to wait."""


class Inventory:
    """Positions, orders and commissions of one strategy process, in exact decimals.

    Numbers are those that records store, to the last digit. Copies change nothing. Simulated records count here like
    any others, so keep them in an inventory of their own. Any thread may read while another one applies.

    Memory is bounded: an order that is over, and its fills, are dropped when nothing was heard of them for `lookback`
    of the venue's time. What they did stays in the sums. A report of an unknown order that is older than that is
    refused, because nobody can tell any more whether it was counted.

    Args:
        lookback: how far back a venue's history may be applied once more; None keeps everything.
        instruments: the contract of each, by exchange and symbol, as `read_instruments` gives them. One that is not
            among them counts as spot. Without this, no profit is known.
        hedges: tells for an order that has executed something, or whose place another one took, how it is hedged, or
            None. It must answer the same for an order after a restart; once it has given a hedge, the order keeps that.
            If it raises, the order is not hedged until it answers. It is asked with the lock held, so it must not ask
            inventory or pages itself. A hedge order is one with a `link_id`; it is not hedged itself.

    Raises:
        ConfigurationError: an argument is none of these.

    Attributes:
        ledger: the one state of orders and positions, which order pages share.
        lock: held by whoever uses it.
    """

    def __init__(
        self,
        *,
        lookback: timedelta | None = LOOKBACK,
        instruments: Contracts | None = None,
        hedges: HedgeOf | None = None,
    ) -> None:
        self.lock = threading.Lock()
        self._contracts = None if instruments is None else _as_reports_name(instruments)
        length_ns = None if lookback is None else nanoseconds("lookback", lookback)
        check_function("hedges", hedges, is_optional=True)
        self._hedges = None if hedges is None else HedgeBook(_never_raising(hedges))
        self.ledger = Ledger(length_ns, self._contracts, self._hedges)

    def apply(self, record: np.void | Mapping[str, Any]) -> Position:
        """Take one record, or the fields given to `BoundRecorder.order` together with `exchange`, `account`, `symbol`.

        Returns:
            The position it is about, after it.

        Raises:
            RecordError: it names no instrument; it is no fill and names no order; it changes a trade and names none; a
                quantity is negative; a value is none that its field can have; or it is older than the look-back. Then
                nothing has changed.
        """
        report = Report(record)
        with self.lock, Exactly():
            return self._position(self.ledger.apply(report))

    def position(
        self, exchange: str, account: str, symbol: str, position_side: str = "", position_id: str = ""
    ) -> Position:
        """The position now; all zero if nothing is known of it.

        Args:
            position_side: `long` or `short` where the venue keeps both of a symbol (hedge mode), else empty.
            position_id: where the venue keeps several positions on one side, else empty.
        """
        return self._position(instrument_named(exchange, account, symbol, position_side, position_id))

    def positions(self) -> dict[Instrument, Position]:
        """All positions now."""
        return {key: holding.position for key, holding in self.ledger.holdings.copy().items()}

    def changed_since(self, report: int) -> tuple[int, list[tuple[Instrument, Position]]]:
        """The positions that other reports than the first ones changed, the longest unchanged first; and how many were.

        Args:
            report: how many reports there were when this was asked last; 0 gives all positions.
        """
        found = []
        with self.lock:
            for key, number in reversed(self.ledger.changed_by.items()):
                if number <= report:
                    break
                found.append((key, self.ledger.holdings[key].position))
            return self.ledger.reports, found[::-1]

    def changed_ns(self, key: Instrument) -> int:
        """The venue time of the record that changed a position last, ns since the epoch; 0 if that told none."""
        with self.lock:
            holding = self.ledger.holdings.get(instrument_named(*key))
            return 0 if holding is None else holding.changed_ns

    def sums(self) -> dict[Instrument, Sums]:
        """The sums that the positions come from."""
        with self.lock:
            return {key: holding.sums for key, holding in self.ledger.holdings.items()}

    def commissions(self) -> dict[str, Decimal]:
        """Commission by currency, of all positions; positive is paid, negative a rebate."""
        found: dict[str, Decimal] = {}
        with self.lock, Exactly():
            for holding in self.ledger.holdings.values():
                for currency, amount in holding.commissions.items():
                    found[currency] = found.get(currency, ZERO) + amount
        return found

    def profit(
        self, exchange: str, account: str, symbol: str, position_side: str = "", position_id: str = ""
    ) -> Profit:
        """What a position earned, as it is now; arguments as for `position`.

        Raises:
            ConfigurationError: the inventory has no instruments.
        """
        return self._profit(instrument_named(exchange, account, symbol, position_side, position_id))

    def profits(self) -> dict[Instrument, Profit]:
        """What all positions earned.

        Raises:
            ConfigurationError: the inventory has no instruments.
        """
        with self.lock:
            keys = list(self.ledger.holdings)
        return {key: self._profit(key) for key in keys}

    @property
    def knows_instruments(self) -> bool:
        """Whether it was given instruments, so that profit is known."""
        return self._contracts is not None

    def unknown_instruments(self) -> set[tuple[str, str]]:
        """Exchange and symbol of those that have positions and no contract, so that they count as spot."""
        with self.lock:
            return {(key.exchange, key.symbol) for key in self.ledger.holdings} - (self._contracts or {}).keys()

    def _position(self, key: Instrument) -> Position:
        holding = self.ledger.holdings.get(key)
        return NOTHING if holding is None else holding.position

    def _profit(self, key: Instrument) -> Profit:
        if self._contracts is None:
            raise ConfigurationError("the inventory has no instruments", "give it some: Inventory(instruments=…)")
        contract = contract_at(self._contracts, key)
        while True:  # who applies a record meanwhile does not wait for the whole fold
            with self.lock, Exactly():
                sequence = self.ledger.sequences.get(key)
                if sequence is not None and not sequence.advance(FOLDED_AT_ONCE):
                    continue
                holding = self.ledger.holdings.get(key, Holding())
                state, late = (FLAT, 0) if sequence is None else (sequence.state, sequence.late)
                return Profit(contract, state, dict(holding.commissions), dict(holding.funding), late=late)

    def hedge_balances(self) -> dict[Instrument, HedgeBalance]:
        """What is owed, hedged, working and left, by hedge instrument.

        Raises:
            ConfigurationError: the inventory has no hedges.
        """
        with self.lock:
            return self._hedge_book.balances()

    def hedge_state(self, key: Instrument) -> HedgeState:
        """One hedge instrument of `hedge_balances`; else as `touched_hedges`."""
        with self.lock, Exactly():
            return self._hedge_book.take(key)

    def touched_hedges(self) -> list[HedgeState]:
        """The hedge instruments whose balance was changed since this was asked last; for the one who hedges.

        Raises:
            ConfigurationError: the inventory has no hedges.
        """
        with self.lock, Exactly():
            return self._hedge_book.take_touched()

    @property
    def _hedge_book(self) -> HedgeBook:
        if self._hedges is None:
            raise ConfigurationError("the inventory has no hedges", "give it some: Inventory(hedges=…)")
        return self._hedges

    def orders(self) -> list[OrderState]:
        """All orders that are known: those that work, and those that were over within the look-back."""
        with self.lock:
            return [each.state for each in self.ledger.orders() if each.state is not None]


def read_instruments(path: str | os.PathLike[str]) -> dict[tuple[str, str], Contract]:
    """The contracts in a file of CSV; its columns are those of `ringbuf.trading.contract_table`.

    Raises:
        ConfigurationError: it cannot be read, or a line is wrong; the message says which one and why.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            return read_contracts(lines, str(path))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", "name a file of CSV that can be read") from error


def _as_reports_name(instruments: Mapping[Any, Contract]) -> dict[tuple[str, str], Contract]:
    found = {}
    check_kind("instruments", instruments, Mapping)
    for key, contract in instruments.items():
        check_kind(f"the contract of {key}", contract, Contract)
        if not (isinstance(key, tuple) and len(key) == len(KEY)):
            raise ConfigurationError(f"an instrument is {key!r}", "name each by exchange and symbol")
        found[stored_key(key)] = contract
    return found


def _never_raising(hedge_of: HedgeOf) -> HedgeOf:
    """The same in the usual decimal context, but an order of which it raises, or gives what is no hedge, has none."""

    def answer(order: OrderState) -> Hedge | None:
        try:
            with localcontext(DefaultContext):  # not the exact one: it divides to 1,000 digits, and is everybody's
                found: object = hedge_of(order)
        except RAISED:
            LOGGER.exception("hedges raised for order %s: it is not hedged until it answers", order.order_id)
            return None
        if found is None or isinstance(found, Hedge):
            return found
        LOGGER.error("hedges gave %s for order %s, which is not hedged: give a Hedge or None", found, order.order_id)
        return None

    return answer
