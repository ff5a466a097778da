"""A strategy of NautilusTrader that does what its examples do not: one action at a time, by the number of the quote."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from nautilus_trader.model.enums import OrderSide, TimeInForce, TriggerType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy


class Desk(Strategy):
    """Keeps several positions at once, changes, cancels and loses orders; in hedge mode whatever the venue has."""

    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__(StrategyConfig(oms_type="HEDGING", manage_gtd_expiry=True))
        self._instrument_id = instrument_id
        self._seen = 0
        self._orders: dict[str, Any] = {}
        self._bid = self._ask = Decimal(0)
        self._actions: dict[int, Callable[[], object]] = {
            2: lambda: self._market("long A", OrderSide.BUY, "0.300"),
            3: lambda: self._market("long B", OrderSide.BUY, "0.500"),
            4: lambda: self._market("short", OrderSide.SELL, "0.400"),
            6: lambda: self._market("less of A", OrderSide.SELL, "0.100", of="long A"),
            8: lambda: self._market("B turned round", OrderSide.SELL, "0.900", of="long B"),
            10: lambda: self._limit("quote", OrderSide.BUY, "0.95"),
            12: lambda: self.modify_order(self._orders["quote"], self._quantity("0.600"), self._price("0.96")),
            13: lambda: self.modify_order(self._orders["quote"], Quantity.from_str("0.60001")),
            14: lambda: self.cancel_order(self._orders["quote"]),
            16: lambda: self._limit("crossing", OrderSide.BUY, "1.05", post_only=True),
            17: lambda: self._market("too much", OrderSide.BUY, "1000000.000"),
            18: lambda: self._limit("for a minute", OrderSide.SELL, "1.05", **self._until(60)),
            20: lambda: self._stop_limit("0.9995"),
            30: lambda: self._money(OrderSide.BUY, "1000"),
            31: lambda: self._limit("working at the end", OrderSide.BUY, "0.5"),
            32: lambda: self._market("A closed", OrderSide.SELL, "0.200", of="long A"),
        }

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self._instrument_id)
        self.subscribe_quote_ticks(self._instrument_id)

    def on_quote_tick(self, tick: Any) -> None:
        self._seen += 1
        self._bid, self._ask = tick.bid_price.as_decimal(), tick.ask_price.as_decimal()
        if action := self._actions.get(self._seen):
            action()

    def _market(self, name: str, side: OrderSide, quantity: str, *, of: str = "") -> None:
        order = self.order_factory.market(self._instrument_id, side, self._quantity(quantity), tags=[name])
        self._submit(name, order, of)

    def _limit(self, name: str, side: OrderSide, factor: str, **more: Any) -> None:
        price = self._price(factor)
        self._submit(name, self.order_factory.limit(self._instrument_id, side, self._quantity("0.250"), price, **more))

    def _stop_limit(self, factor: str) -> None:
        price, trigger = self._price("1.01"), self._price("1.0004")
        quantity, kind = self._quantity("0.250"), TriggerType.BID_ASK
        side = OrderSide.BUY
        order = self.order_factory.stop_limit(
            self._instrument_id, side, quantity, price, trigger, trigger_type=kind, emulation_trigger=kind
        )
        self._submit("stop", order)

    def _money(self, side: OrderSide, amount: str) -> None:
        quantity = self._quantity(amount)
        self._submit("money", self.order_factory.market(self._instrument_id, side, quantity, quote_quantity=True))

    def _submit(self, name: str, order: Any, of: str = "") -> None:
        self._orders[name] = order
        position_id = self.cache.position_id(self._orders[of].client_order_id) if of else None
        self.submit_order(order, position_id)

    def _price(self, factor: str) -> Price:
        return self.instrument.make_price(self._ask * Decimal(factor))

    def _quantity(self, quantity: str) -> Quantity:
        return self.instrument.make_qty(Decimal(quantity))

    def _until(self, seconds: int) -> dict[str, Any]:
        return {
            "time_in_force": TimeInForce.GTD,
            "expire_time": self.clock.utc_now() + timedelta(seconds=seconds),
        }
