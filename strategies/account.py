"""What an account holds: balances and positions as the venue tells them, and what is known on top of that.

A venue tells fills and balances in streams of their own. Between the two a strategy that tops up to a target sees its
order gone and its balance not yet moved, and buys twice. Here a fill stays pending until the told quantity has moved
by it; if it does not within a time-out, the venue is asked.

    account = Account(pages, "binance", "A1", ask=fetch_snapshot)
    account.apply(PositionUpdate("BTCUSDT", Decimal("0.4"), exchange_ns=...))
    held = account.position("BTCUSDT")
    if not held.stale and held.highest + inventory.position("binance", "A1", "BTCUSDT").open_buy < target: ...
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.record.timestamp import time_ns
from ringbuf.strategies.account_event import (
    BalanceUpdate,
    Event,
    PositionUpdate,
    Snapshot,
    Transfer,
    check_event,
)
from ringbuf.strategies.arguments import check_function, check_kind, nanoseconds
from ringbuf.strategies.bound_recorder import Number
from ringbuf.strategies.handlers import RAISED
from ringbuf.strategies.orders import OrderPages
from ringbuf.trading.contract import stored_currency
from ringbuf.trading.delta import Delta
from ringbuf.trading.held_quantity import Held, HeldQuantity, exact_decimal
from ringbuf.trading.number import NOTHING, quantity_of
from ringbuf.trading.position import Position
from ringbuf.trading.report import Instrument, instrument_named

__all__ = [
    "Account",
    "BalanceUpdate",
    "Event",
    "Held",
    "PositionUpdate",
    "Snapshot",
    "Transfer",
    "WalletIdentity",
]

LOGGER: Final = logging.getLogger("ringbuf.account")
TIMEOUT: Final = timedelta(seconds=2)
TRANSFERS: Final = 10_000
"""Of so many transfers it is known that they were there."""


_Key: TypeAlias = str | tuple[str, str]


class WalletIdentity(NamedTuple):
    """Where the balance of one currency comes from: told = opening + records + transfers - pending + unexplained.

    Attributes:
        records: what fills, fees, profit and funding come to.
        pending: what of these and of transfers the told balance has not moved by yet.
        unexplained: the rest; not zero if something is missing, or the venue rounds.
    """

    told: Decimal
    opening: Decimal
    records: Decimal
    transfers: Decimal
    pending: Decimal
    unexplained: Decimal


class Account:
    """Balances and positions of one account of a venue. Any thread may use it.

    Liquidations, deliveries and fills of orders that nobody here sent are fills, which the pages take. A position that
    moves without any fill, as one that was closed from outside, is stale until the fill comes or the venue's answer
    confirms it. Whatever is older than what was told is refused.

    Args:
        pages: whose inventory has the fills. If that knows the instruments, wallets are followed, too; else balances
            are only what the venue tells.
        ask: called with the reason when the venue is to be asked, at most once in a time-out; it has to see to it that
            a `Snapshot` is applied. It should be quick.
        timeout: so long a fill is held pending before the venue is asked.
        clock: ns, never going back; that of a backtest goes by its events.
        rounding: by so much a wallet's move may differ from what explains it, where the venue rounds.
        wallet_shared_with: other exchanges whose trades of the account move the same wallets, as `bybit_spot` those of
            `bybit`.

    Raises:
        ConfigurationError: an argument is none of these.
        RecordError: rounding is no number.

    Attributes:
        refused: events that were older than what was told.
        asked: how often `ask` was called.
    """

    def __init__(
        self,
        pages: OrderPages,
        exchange: str,
        account: str,
        *,
        ask: Callable[[str], object] | None = None,
        timeout: timedelta = TIMEOUT,
        clock: Callable[[], int] = time.monotonic_ns,
        rounding: Number = 0,
        wallet_shared_with: Collection[str] = (),
    ) -> None:
        check_kind("pages", pages, OrderPages)
        if not (exchange and account):
            raise ConfigurationError(f"exchange and account are {(exchange, account)}", "say whose account it is")
        check_function("ask", ask, is_optional=True)
        check_function("clock", clock)
        if isinstance(wallet_shared_with, str):
            raise ConfigurationError(f"wallet_shared_with is {wallet_shared_with!r}", "give a list of exchanges")
        self.refused = self.asked = 0
        self._inventory = pages.inventory
        self._names = instrument_named(exchange, account, "")[:2]
        self._followed = {instrument_named(each, account, "")[:2] for each in (exchange, *wallet_shared_with)}
        self._ask = ask
        self._timeout_ns = nanoseconds("timeout", timeout)
        self._clock = clock
        self._heard_from_ns = 1  # what is heard now is later than all questions
        self._rounding = _exactly(rounding)
        if self._rounding < 0:
            raise ConfigurationError(f"rounding is {rounding!r}", "give a number from 0 on")
        self._lock = threading.RLock()
        self._held: dict[_Key, HeldQuantity] = {}
        self._answers: dict[bool, tuple[int, int]] = {}  # venue time and `asked_ns` of the last, by whether of balances
        self._followed_to = 0  # so many reports of our records
        self._records: dict[Instrument, dict[_Key, Fraction]] = {}  # what each position has changed, as it was seen
        self._transfers: OrderedDict[tuple[str, str], None] = OrderedDict()  # by currency and id
        self._transferred: dict[str, Fraction] = {}
        self._streams: dict[str, int] = {}
        self._cut: set[str] = set()  # streams whose numbers may begin anew
        self._doubted: tuple[str, int] | None = None  # why all was stale last, and since when
        self._asked_ns: int | None = None
        self._reported: dict[str, Fraction] = {}
        self._follow_all()
        pages.on_delta(self._follow)

    def position(self, symbol: str, position_side: str = "") -> Held:
        """What is held in a position now."""
        with self._lock:
            self._follow_all()
            return _read(self._of(_key_of(symbol, position_side)))

    def balance(self, currency: str) -> Held:
        """What is held of a currency now."""
        with self._lock:
            self._follow_all()
            return _read(self._of(stored_currency(currency)))

    def apply(self, event: Event) -> bool:
        """Take what the venue tells; False if it is refused, because it is a copy or older than what was told.

        Raises:
            RecordError: it is no event, a quantity is no number, a time is none, a position side no word for one, a
                transfer has no id, or a snapshot was asked for later than now. Then nothing has changed.
        """
        with self._lock:
            self._follow_all()  # what we know ourselves was heard before
            is_news = self._take(event)
            self.refused += not is_news
            return is_news

    def heard(self, stream: str, number: int) -> bool:
        """Note the number of a message in its stream; False if it is not behind the last one.

        Where numbers are missing, all is stale until a snapshot is applied that was asked for later. After a `gap` the
        numbers of a stream may begin anew.
        """
        with self._lock:
            last = self._streams.get(stream)
            may_begin_anew = stream in self._cut
            if last is not None and number <= last and not may_begin_anew:
                return False
            self._streams[stream] = number
            self._cut.discard(stream)
            if last is not None and number > last + 1:
                self._doubt(f"messages {last + 1} to {number - 1} of {stream} are missing")
            return True

    def gap(self, why: str) -> None:
        """Something was missed, as while a stream was cut: all is stale until a snapshot is applied."""
        with self._lock:
            self._cut |= self._streams.keys()
            self._doubt(why or "something was missed")

    def asking(self) -> int:
        """Now by the account's clock, for the `Snapshot` of the question that is asked now."""
        with self._lock:
            self._follow_all()
            self._heard_from_ns = self._now() + 1
            return self._heard_from_ns - 1

    def tick(self) -> bool:
        """Ask the venue if that is due. Call it now and then; gives whether something is due."""
        with self._lock:
            self._follow_all()
            now_ns = self._now()
            before_ns = now_ns - self._timeout_ns
            self._report()
            due = [key for key, each in self._held.items() if each.is_due(before_ns)]
            if not due or self._ask is None or (self._asked_ns is not None and self._asked_ns > before_ns):
                return bool(due)
            self._asked_ns = now_ns
            self.asked += 1
            held = self._held[due[0]]
        why = f"{due[0]}: {held.held.stale or 'a fill is pending, and what the venue tells has not moved'}"
        try:
            self._ask(why)
        except RAISED:
            LOGGER.exception("the venue could not be asked about %s", why)
        return True

    def identity(self, currency: str) -> WalletIdentity | None:
        """Where a balance comes from; None as long as the venue has told none.

        Raises:
            ConfigurationError: the inventory has no instruments, so nobody knows what fills did to wallets.
        """
        if not self._inventory.knows_instruments:
            raise ConfigurationError("the inventory has no instruments", "give it some: Inventory(instruments=…)")
        currency = stored_currency(currency)
        with self._lock:
            self._follow_all()
            its = self._of(currency)
            if its.told is None:
                return None
            transfers = self._transferred.get(currency, NOTHING)
            return WalletIdentity(
                told=exact_decimal(its.told),
                opening=exact_decimal(its.opening),
                records=exact_decimal(its.own - transfers),
                transfers=exact_decimal(transfers),
                pending=its.held.pending,
                unexplained=exact_decimal(its.external),
            )

    # Events

    def _take(self, event: Event) -> bool:
        check_event(event)
        now_ns, venue_ns = self._now(), time_ns(event._asdict(), "exchange_ns")
        match event:
            case BalanceUpdate():
                return self._of(stored_currency(event.currency)).tell(_exactly(event.quantity), venue_ns, now_ns)
            case PositionUpdate():
                key = _key_of(event.symbol, event.position_side)
                return self._of(key).tell(_exactly(event.quantity), venue_ns, now_ns)
            case Transfer():
                return self._transfer(event, venue_ns, now_ns)
            case Snapshot():
                if event.asked_ns > now_ns:
                    hint = "give what asking() gave before it: the account has a clock of its own"
                    raise RecordError(f"a question of {event.asked_ns} ns is later than now, {now_ns} ns", hint)
                return self._replace(event, venue_ns)

    def _transfer(self, event: Transfer, venue_ns: int, now_ns: int) -> bool:
        currency = stored_currency(event.currency)
        if (identity := (currency, str(event.transfer_id))) in self._transfers:
            return False
        amount = _exactly(event.amount)
        self._transfers[identity] = None
        if len(self._transfers) > TRANSFERS:
            self._transfers.popitem(last=False)
        self._transferred[currency] = self._transferred.get(currency, NOTHING) + amount
        self._of(currency).change(amount, venue_ns, now_ns)
        return True

    def _replace(self, answer: Snapshot, venue_ns: int) -> bool:
        told: dict[bool, dict[_Key, Fraction]] = {}
        if answer.balances is not None:
            told[True] = {stored_currency(key): _exactly(quantity) for key, quantity in answer.balances.items()}
        if answer.positions is not None:
            told[False] = {
                _key_of(*((key, "") if isinstance(key, str) else key)): _exactly(quantity)
                for key, quantity in answer.positions.items()
            }
        is_news = False
        for is_wallet, quantities in told.items():
            known = {key for key in self._held if isinstance(key, str) == is_wallet}
            for key in known | quantities.keys():
                quantity = quantities.get(key, NOTHING)
                is_news |= self._of(key).resynchronise(quantity, venue_ns, answer.asked_ns)
            self._answers[is_wallet] = venue_ns, answer.asked_ns
        return is_news

    def _now(self) -> int:
        """By the clock; but later than each question: what was heard by then is in its answer, and this need not be."""
        return max(self._clock(), self._heard_from_ns)

    def _doubt(self, why: str) -> None:
        doubted = self._doubted = why, self._now()
        for each in self._held.values():
            each.doubt(*doubted)

    def _of(self, key: _Key) -> HeldQuantity:
        """What is held of a key; one that the last snapshot lacked was 0 then."""
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = HeldQuantity(self._rounding if isinstance(key, str) else NOTHING)
            answer = self._answers.get(isinstance(key, str))
            if answer is not None:
                held.resynchronise(NOTHING, *answer)
            if self._doubted is not None and (answer is None or self._doubted[1] > answer[1]):
                held.doubt(*self._doubted)
        return held

    # Our own records

    def _follow(self, delta: Delta) -> None:
        if delta.page.key[:2] in self._followed:
            with self._lock:
                self._follow_all()

    def _follow_all(self) -> None:
        """Take what our records have changed since they were followed last; no delta tells of funding."""
        self._followed_to, changed = self._inventory.changed_since(self._followed_to)
        for key, position in changed:
            if key[:2] in self._followed:
                self._count(key, position)

    def _count(self, key: Instrument, position: Position) -> None:
        now: dict[_Key, Fraction] = {}
        if key[:2] == self._names:  # others may spell their symbols alike
            now[key.symbol, key.position_side] = Fraction(position.quantity)
        if self._inventory.knows_instruments:
            now.update(self._inventory.profit(*key).wallet.items())
        before, self._records[key] = self._records.get(key, {}), now
        venue_ns = self._inventory.changed_ns(key)
        for each in before.keys() | now.keys():
            change = now.get(each, NOTHING) - before.get(each, NOTHING)
            if change:
                self._of(each).change(change, venue_ns, self._now())

    def _report(self) -> None:
        """Log a wallet whose identity does not hold, once for each amount."""
        if not self._inventory.knows_instruments:
            return
        text = "wallet %s of %s: the venue tells %s more than opening, fills, fees, funding and transfers come to"
        for key, held in self._held.items():
            if isinstance(key, tuple) or held.unexplained or self._reported.get(key, NOTHING) == held.external:
                continue
            if abs(held.external - self._reported.get(key, NOTHING)) > self._rounding:
                LOGGER.warning(text, key, self._names, float(held.external))
            self._reported[key] = held.external


def _key_of(symbol: str, position_side: str) -> tuple[str, str]:
    named = instrument_named("", "", symbol, position_side)
    return named.symbol, named.position_side


def _exactly(number: Number) -> Fraction:
    return Fraction(quantity_of(number))


def _read(quantity: HeldQuantity) -> Held:
    held = quantity.held
    return held if held.told is not None else held._replace(stale=held.stale or "the venue has told nothing yet")
