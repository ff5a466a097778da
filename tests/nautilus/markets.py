"""Venues, instruments and prices for backtests: small, and the same each time."""

import math
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.model.currencies import BTC, ETH, USD, USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas, QuoteTick
from nautilus_trader.model.enums import AccountType, BookAction, BookType, OmsType, OrderSide
from nautilus_trader.model.objects import Money
from nautilus_trader.test_kit.providers import TestInstrumentProvider

BEGIN_NS = 1_700_000_000_000_000_000
STEP_NS = 10_000_000_000


class Market(NamedTuple):
    """An instrument with the prices it had.

    Attributes:
        sizes: of quotes, at random.
    """

    instrument: Any
    price: float
    sizes: tuple[float, ...]
    is_cash: bool = False

    def quotes(self, count: int) -> Iterator[Any]:
        """Best bids and asks, ten seconds apart."""
        draw, make = random.Random(3), self.instrument
        for place, price in enumerate(self._prices(count, draw)):
            size = [make.make_qty(draw.choice(self.sizes)) for _ in range(2)]
            at_ns = BEGIN_NS + place * STEP_NS
            yield QuoteTick(make.id, make.make_price(price), make.make_price(price * 1.0002), *size, at_ns, at_ns)

    def books(self, count: int) -> Iterator[Any]:
        """Order books of two levels, ten seconds apart."""
        draw, make = random.Random(3), self.instrument
        for place, price in enumerate(self._prices(count, draw)):
            at_ns = BEGIN_NS + place * STEP_NS
            found = [OrderBookDelta.clear(make.id, 0, at_ns, at_ns)]
            for level in range(2):
                for side, factor in (
                    (OrderSide.BUY, 1 - 0.0001 * (1 + level)),
                    (OrderSide.SELL, 1 + 0.0001 * (1 + level)),
                ):
                    size = make.make_qty(draw.choice(self.sizes))
                    order = BookOrder(side, make.make_price(price * factor), size, 2 * level + (side == OrderSide.BUY))
                    found.append(OrderBookDelta(make.id, BookAction.ADD, order, 0, 0, at_ns, at_ns))
            yield OrderBookDeltas(make.id, found)

    def _prices(self, count: int, draw: random.Random) -> Iterator[float]:
        price = self.price
        for place in range(count):
            price *= 1 + draw.gauss(0, 0.001) + 0.0006 * math.sin(place / 150)
            yield price


LINEAR = Market(TestInstrumentProvider.ethusdt_perp_binance(), 2_000, (0.05, 0.2, 5))
INVERSE = Market(TestInstrumentProvider.xbtusd_bitmex(), 30_000, (5_000,))
SPOT = Market(TestInstrumentProvider.ethusdt_binance(), 2_000, (0.05, 0.2, 5), is_cash=True)
FOREX = Market(TestInstrumentProvider.default_fx_ccy("AUD/USD"), 0.65, (30_000, 200_000, 1_000_000))


def engine_of(market: Market, *, is_hedging: bool = False, has_books: bool = False, count: int = 4_000) -> Any:
    """An engine with a venue that has the instrument and its data."""
    engine = BacktestEngine(BacktestEngineConfig(trader_id="T-001", logging=LoggingConfig(bypass_logging=True)))
    currencies = {BTC: 1_000, ETH: 1_000, USDT: 10_000_000, USD: 10_000_000}
    engine.add_venue(
        venue=market.instrument.venue,
        oms_type=OmsType.HEDGING if is_hedging else OmsType.NETTING,
        account_type=AccountType.CASH if market.is_cash else AccountType.MARGIN,
        base_currency=None,
        starting_balances=[Money(amount, currency) for currency, amount in currencies.items()],
        book_type=BookType.L2_MBP if has_books else BookType.L1_MBP,
        support_contingent_orders=True,
        **({} if market.is_cash else {"default_leverage": Decimal(20)}),
    )
    engine.add_instrument(market.instrument)
    engine.add_data(list((market.books if has_books else market.quotes)(count)))
    return engine
