"""The orders that `ringbuf bench query` is about: what a hundred strategies record, each value by a formula.

An order is four records: pending_new, new, and two fills, of which the second fills it; a few orders are for twice as
much and stay open. The strategies take turns, 200 orders a second in all. A formula gives each value from the number of
the order, so that the same records can be made here (`OrderFlow.records`) and inside a server (`history.py`).
"""

from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from ringbuf.record.enumerations import ExecType, Liquidity, OrderStatus, Origin, Side
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Records
from ringbuf.record.seqs import Range, SeqSet
from ringbuf.record.value import blank

STRATEGIES: Final = 100
SYMBOLS_EACH: Final = {100: 1, 10_000: 100}
"""How many symbols a strategy trades, by the number of positions that come of it."""
ACCOUNTS: Final = 10
OPEN_EACH: Final = 10
"""About so many orders of each strategy stay open, however many there are."""
PER_ORDER: Final = 4
GAP_NS: Final = 5_000_000
"""From one order to the next."""
STEPS_NS: Final = (0, 2_000_000, 150_000_000, 400_000_000)
"""When the records of an order are captured; before the next order of its strategy begins."""
VENUE_NS: Final = 500_000
RECEIVED_NS: Final = 1_000
EXCHANGE: Final = "bench"
CURRENCY: Final = "USDT"
CYCLE: Final = 9_000
"""After so many orders prices and quantities are the same again, together."""
FIRST_ORDER_ID: Final = 9_000_000_000

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class OrderFlow(NamedTuple):
    """The orders of one run.

    Attributes:
        keys: how many positions come of it, of `SYMBOLS_EACH`.
        orders: how many orders the history has; those with higher numbers come after it.
        begin_ns: when the first one is captured, ns since the epoch.
        first_session: of the first strategy; the others follow.
    """

    keys: int
    orders: int
    begin_ns: int
    first_session: int = 1_000_000

    @property
    def end_ns(self) -> int:
        """When the history ends."""
        return self.begin_ns + self.orders * GAP_NS

    @property
    def open_every(self) -> int:
        """One order in so many of a strategy stays open."""
        return max(2, self.orders // STRATEGIES // OPEN_EACH)

    def history(self) -> SeqSet:
        """The records of the history."""
        counts = [-(-(self.orders - each) // STRATEGIES) for each in range(STRATEGIES)]
        return SeqSet(Range(self.first_session + each, 0, PER_ORDER * count) for each, count in enumerate(counts))

    def open_orders(self, count: int) -> int:
        """How many of the first orders stay open."""
        return int(self._is_open(np.arange(count, dtype=np.int64)).sum())

    def traded(self, count: int) -> tuple[Decimal, Decimal]:
        """Quantity, and price x quantity, of all fills of the first orders, exactly."""
        cycles, rest = divmod(count, CYCLE)
        number = np.arange(CYCLE, dtype=np.int64)
        lots, quotes = _lots(number), _halves(number) * _lots(number)
        quantity = 2 * (cycles * int(lots.sum()) + int(lots[:rest].sum()))
        quote = cycles * int(quotes.sum()) + int(quotes[:rest].sum())
        return Decimal(quantity) / 1_000, Decimal(quote) / 1_000

    def records(self, first: int, count: int) -> Records:
        """The records of some orders, in the order of capture."""
        number = np.repeat(np.arange(first, first + count, dtype=np.int64), PER_ORDER)
        step = np.tile(np.arange(PER_ORDER), count)
        found = np.repeat(blank(EXECUTION), len(number))
        self._identify(found, number, step)
        self._value(found, number, step)
        return found[np.argsort(found["captured_ns"], kind="stable")]

    def _is_open(self, number: Numbers) -> Any:
        return (number // STRATEGIES + 37 * (number % STRATEGIES)) % self.open_every == 0

    def _symbol(self, number: Numbers) -> Any:
        return number % 10 if SYMBOLS_EACH[self.keys] == 1 else number // STRATEGIES % SYMBOLS_EACH[self.keys]

    def _identify(self, found: Records, number: Numbers, step: Numbers) -> None:
        """Set what tells records, orders and times apart."""
        strategy, is_venue = number % STRATEGIES, step > 0
        captured = self.begin_ns + number * GAP_NS + np.array(STEPS_NS)[step]
        found["session"] = self.first_session + strategy
        found["seq"] = number // STRATEGIES * PER_ORDER + step
        found["captured_ns"] = captured
        found["received_ns"] = np.where(is_venue, captured - RECEIVED_NS, 0)
        found["exchange_ns"] = np.where(is_venue, captured - VENUE_NS, 0)
        found["exchange"], found["origin"] = EXCHANGE.encode(), int(Origin.LIVE)
        found["account"] = _numbered("a{:d}", number % ACCOUNTS)
        found["symbol"] = _numbered("S{:03d}-USDT", self._symbol(number))
        found["strategy"] = _numbered("s{:03d}", strategy)
        found["client_order_id"] = _numbered("c{:012d}", number)
        found["order_id"] = np.where(is_venue, _numbered("{:d}", FIRST_ORDER_ID + number), b"")
        found["trade_id"] = np.where(step > 1, _numbered("t{:012d}", 2 * number + step - 2), b"")

    def _value(self, found: Records, number: Numbers, step: Numbers) -> None:
        """Set states, prices and quantities."""
        is_fill, is_last = step > 1, (step == PER_ORDER - 1) & ~self._is_open(number)
        halves, lots = _halves(number), _lots(number)
        states = np.array([OrderStatus.PENDING_NEW, OrderStatus.NEW, *[OrderStatus.PARTIALLY_FILLED] * 2])
        found["exec_type"] = np.array([ExecType.PENDING_NEW, ExecType.NEW, ExecType.FILL, ExecType.FILL])[step]
        found["order_status"] = np.where(is_last, OrderStatus.FILLED, states[step])
        found["side"] = np.where(number * 7_919 % 1_013 % 2 == 0, Side.BUY, Side.SELL)
        found["price"] = halves / 2
        found["quantity"] = lots * np.where(self._is_open(number), 4, 2) / 1_000
        found["cumulative_quantity"] = np.where(step > 0, lots * (step - 1) / 1_000, np.nan)
        found["last_price"] = np.where(is_fill, halves / 2, np.nan)
        found["last_quantity"] = np.where(is_fill, lots / 1_000, np.nan)
        found["commission"] = np.where(is_fill, halves * lots / 1e7, np.nan)
        found["commission_currency"] = np.where(is_fill, CURRENCY.encode(), b"")
        found["liquidity"] = np.where(is_fill, np.where(number % 3 == 0, Liquidity.TAKER, Liquidity.MAKER), 0)


def _halves(number: Numbers) -> Numbers:
    """The price of an order, in halves."""
    return 120_000 + number * 7_919 % 1_000


def _lots(number: Numbers) -> Numbers:
    """The quantity of each fill of an order, in thousandths."""
    return 1 + number * 31 % 18


def _numbered(form: str, numbers: Numbers) -> Any:
    """Texts with a number each."""
    return np.array([form.format(each) for each in numbers.tolist()], "S")
