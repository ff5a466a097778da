"""What may take a venue's message in a strategy: all of ours, parts of it, and what other libraries do in its place."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any, Final

from ringbuf.bench.contender import Absent
from ringbuf.bench.message_contender import MessageContender, compare
from ringbuf.bench.nautilus_contender import NautilusEngine
from ringbuf.bench.venue_messages import BOUND, SYMBOLS, Message, OrderMessages, market, raw, unified
from ringbuf.ring.consumer import Consumer
from ringbuf.strategies import Recorder
from ringbuf.strategies.adapters.ccxt import CcxtAdapter
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import Delta, OrderPages

CAPACITY: Final = 16_384


class Timer(MessageContender):
    """Nothing at all."""

    name = "empty timer"

    def open(self, stack: ExitStack) -> None:
        """Nothing to open."""

    @property
    def call(self) -> Callable[[Any], Any]:
        return _nothing

    def check(self, orders: Sequence[OrderMessages]) -> None:
        """Nothing to check."""


class Recording(MessageContender):
    """A contender that records; its ring is read after each slice."""

    def open(self, stack: ExitStack) -> None:
        name = type(self).__name__.lower()
        self.recorder = stack.enter_context(Recorder.open(name, capacity=CAPACITY, namespace=self.namespace))
        self._consumer = stack.enter_context(Consumer.open(name, namespace=self.namespace))

    def check(self, orders: Sequence[OrderMessages]) -> None:
        """As many records as messages."""
        records = sum(len(each) for each in self._consumer.poll())
        self._consumer.acknowledge(self._consumer.head - 1)
        compare(self.name, "records", records, len(self.prepare(orders)))


class RecordAlone(Recording):
    """The record, without page, inventory and handler."""

    name = "floor: BoundRecorder.order"

    def open(self, stack: ExitStack) -> None:
        super().open(stack)
        self._order = self.recorder.bind(**BOUND, symbol="S0-USDT").order

    @property
    def call(self) -> Callable[[Any], Any]:
        order = self._order
        return lambda fields: order(**fields)

    def prepare(self, orders: Sequence[OrderMessages]) -> list[Any]:
        bound = {*BOUND, "symbol"}
        return [{name: each[name] for name in each.keys() - bound} for each in super().prepare(orders)]


class InventoryAlone(MessageContender):
    """Orders and positions, without record and handlers."""

    name = "Inventory.apply"

    def open(self, stack: ExitStack) -> None:
        self._inventory = Inventory()
        self._fills = 0

    @property
    def call(self) -> Callable[[Any], Any]:
        return self._inventory.apply

    def check(self, orders: Sequence[OrderMessages]) -> None:
        """All fills."""
        self._fills += 2 * len(orders)
        compare(self.name, "fills", sum(each.fills for each in self._inventory.sums().values()), self._fills)


class Pages(Recording):
    """All of it: recorded, page, inventory, handler."""

    name = "OrderPages.apply"

    def open(self, stack: ExitStack) -> None:
        super().open(stack)
        self.pages = OrderPages(self.recorder)
        self.pages.on_delta(self._handle)
        self._traded = self._expected = Decimal(0)

    @property
    def call(self) -> Callable[[Any], Any]:
        return self.pages.apply

    def check(self, orders: Sequence[OrderMessages]) -> None:
        """Records, deltas, pages and positions."""
        super().check(orders)
        self._expected += sum(Decimal(2 * each.lots) / 100 for each in orders)
        compare(self.name, "traded by deltas", self._traded, self._expected)
        executed = sum((each.executed for each in self.pages.inventory.orders()), Decimal(0))
        compare(self.name, "executed by pages", executed, self._expected)
        self.check_open()
        compare(self.name, "refused or failed", self.pages.refused + self.pages.handlers[0].failed, 0)

    def check_open(self) -> None:
        """All orders are filled."""
        compare(self.name, "open pages", len(self.pages.open_pages()), 0)

    def _handle(self, delta: Delta) -> None:
        self._traded += delta.traded


class UncollectedPages(Pages):
    """The same while Python's garbage collector is off: of what is forgotten nothing is left for it."""

    name = "OrderPages.apply, no collector"
    is_collected = False


class CcxtPages(Pages):
    """All of it, from orders as ccxt unifies them."""

    name = "CcxtAdapter.orders to OrderPages"

    def open(self, stack: ExitStack) -> None:
        super().open(stack)
        self._adapter = CcxtAdapter(self.pages, **BOUND)

    @property
    def call(self) -> Callable[[Any], Any]:
        return self._adapter.orders

    def prepare(self, orders: Sequence[OrderMessages]) -> list[Any]:
        return [*map(unified, _answers(orders))]

    def check_open(self) -> None:
        """No check: these messages tell totals alone, so all orders await their fills."""


class CcxtParse(MessageContender):
    """What ccxt itself does with an order of Binance before anybody sees it: its own unified order, nothing kept."""

    name = "ccxt: binance.parse_order"

    def open(self, stack: ExitStack) -> None:
        try:
            ccxt: Any = importlib.import_module("ccxt")
        except ImportError as error:
            raise Absent("ccxt is not installed", "pip install ccxt") from error
        exchange = ccxt.binance()
        exchange.set_markets([market(number) for number in range(SYMBOLS)])
        self._parse: Callable[[Any], Any] = exchange.parse_order

    @property
    def call(self) -> Callable[[Any], Any]:
        return self._parse

    def check(self, orders: Sequence[OrderMessages]) -> None:
        """It gives the same order as was unified here."""
        for message, wanted in zip(self.prepare(orders), map(unified, _answers(orders)), strict=True):
            parsed = self._parse(message)
            for name in ("id", "clientOrderId", "side", "price", "amount", "filled", "status", "symbol"):
                compare(self.name, name, parsed[name], wanted[name])

    def prepare(self, orders: Sequence[OrderMessages]) -> list[Any]:
        return [*map(raw, _answers(orders))]


CONTENDERS: Final[tuple[type[MessageContender], ...]] = (
    Timer,
    RecordAlone,
    InventoryAlone,
    Pages,
    UncollectedPages,
    CcxtPages,
    CcxtParse,
    NautilusEngine,
)


def _nothing(_: Any) -> None:
    pass


def _answers(orders: Sequence[OrderMessages]) -> Iterator[Message]:
    """What the venue says, as updates."""
    return (each for order in orders for each in order.updates()[1:])
