"""NautilusTrader's cache, execution engine and portfolio: its own events, without a record and a parse."""

import importlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from ringbuf.bench.contender import Absent
from ringbuf.bench.message_contender import MessageContender, compare
from ringbuf.bench.venue_messages import OrderMessages

PACKAGE: Final = "nautilus_trader"


class NautilusEngine(MessageContender):
    """Its engine applies events to the order and position in its cache, tells its portfolio, and publishes them.

    An order and its four events (submitted, accepted, two fills) are made before, and it is in the cache.
    """

    name = "NautilusTrader: ExecutionEngine.process"

    def open(self, stack: ExitStack) -> None:
        try:
            self._ids, self._enums, self._events, self._objects = (
                importlib.import_module(f"{PACKAGE}.model.{each}")
                for each in ("identifiers", "enums", "events", "objects")
            )
            component, cache, engine, factories, portfolio, providers, stubs, accounts, core = (
                importlib.import_module(f"{PACKAGE}.{each}")
                for each in (
                    "common.component", "cache.cache", "execution.engine", "common.factories", "portfolio.portfolio",
                    "test_kit.providers", "test_kit.stubs.events", "accounting.factory", "core.uuid",
                )
            )  # fmt: skip
        except ImportError as error:
            raise Absent(f"{PACKAGE} is not installed", f"pip install {PACKAGE}") from error
        clock = component.TestClock()
        self._trader, self._strategy = self._ids.TraderId("T-001"), self._ids.StrategyId("S-001")
        self._account, self._uuid = self._ids.AccountId("BINANCE-001"), core.UUID4
        bus, self._cache = component.MessageBus(self._trader, clock), cache.Cache()
        portfolio.Portfolio(bus, self._cache, clock)
        self._engine = engine.ExecutionEngine(bus, self._cache, clock)
        self._instrument = providers.TestInstrumentProvider.btcusdt_binance()
        self._cache.add_instrument(self._instrument)
        self._cache.add_account(
            accounts.AccountFactory.create(stubs.TestEventStubs.margin_account_state(self._account))
        )
        self._factory = factories.OrderFactory(self._trader, self._strategy, clock)
        self._told = self._sent = 0
        bus.subscribe("events.order.*", self._handle)

    @property
    def call(self) -> Callable[[Any], Any]:
        found: Callable[[Any], Any] = self._engine.process
        return found

    def prepare(self, orders: Sequence[OrderMessages]) -> list[Any]:
        return [each for order in orders for each in self._of_order(order)]

    def check(self, orders: Sequence[OrderMessages]) -> None:
        """Events that were told, and orders that are filled."""
        self._sent += len(orders)
        compare(self.name, "events told", self._told, 4 * self._sent)
        compare(self.name, "orders filled", len(self._cache.orders_closed()), self._sent)

    def _of_order(self, order: OrderMessages) -> list[Any]:
        quantity, price = self._objects.Quantity.from_str, self._objects.Price.from_str
        side = self._enums.OrderSide.BUY if order.is_buy else self._enums.OrderSide.SELL
        at_price, half = price(f"{64_000 + order.number % 50}.50"), quantity(f"{order.lots / 100:.6f}")
        whole = quantity(f"{2 * order.lots / 100:.6f}")
        made = self._factory.limit(self._instrument.id, side, whole, at_price)
        self._cache.add_order(made, None)
        names = self._trader, self._strategy, self._instrument.id, made.client_order_id
        venue_id = self._ids.VenueOrderId(f"{9_000_000_000 + order.number}")
        currency = self._instrument.quote_currency

        def at(place: int) -> tuple[Any, int, int]:
            return self._uuid(), order.at_ns + place, order.at_ns + place

        def fill(place: int) -> Any:
            trade = venue_id, self._account, self._ids.TradeId(f"{2 * order.number + place}"), None, side
            fee = self._objects.Money(0.0123, currency), self._enums.LiquiditySide.MAKER
            limit = self._enums.OrderType.LIMIT
            return self._events.OrderFilled(*names, *trade, limit, half, at_price, currency, *fee, *at(2 + place))

        return [
            self._events.OrderSubmitted(*names, self._account, *at(0)),
            self._events.OrderAccepted(*names, venue_id, self._account, *at(1)),
            fill(0),
            fill(1),
        ]

    def _handle(self, _: Any) -> None:
        self._told += 1
