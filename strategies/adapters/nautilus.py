"""NautilusTrader's events of orders and positions, from its message bus in a live node or a backtest, or saved ones.

engine.add_actor(NautilusAdapter(pages).actor())    # or node.trader.add_actor(…)

What each event says, `nautilus_events` has; what it leaves open of its order, `nautilus_order`. An event of a position
is told as one more copy of the fill that changed it, with what NautilusTrader says of the position after it.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.strategies.adapters import nautilus_events, value
from ringbuf.strategies.adapters.adapter import Refused, Update
from ringbuf.strategies.adapters.latest import Latest
from ringbuf.strategies.adapters.message import plain
from ringbuf.strategies.adapters.nautilus_cache import NautilusCache, missed
from ringbuf.strategies.adapters.nautilus_order import NautilusOrder
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.trading.number import EXACT, ZERO

KNOWN: Final = 10_000
"""So many orders, and positions, are known, those of which something was heard last."""
FIRST: Final = 100
"""Priority of the actor's subscriptions: events are recorded before a strategy answers them."""
TOPICS: Final = ("events.order.*", "events.position.*")


@dataclass(slots=True)
class NautilusPosition:
    """What is known of a position of NautilusTrader.

    Attributes:
        fill: the last one that changed it, as it was told.
        realised: what it realised since it was opened last, as NautilusTrader says; None if not all of it was heard.
        closed: what the fill realised by closing it, if the rest of the fill is still to open it on the other side.
    """

    fill: Update
    realised: Decimal | None = None
    closed: Decimal | None = ZERO

    def earned(self, event: Mapping[str, Any]) -> Decimal | None:
        """What its last fill realised, by an event of the position."""
        before = ZERO if event.get("type") == "PositionOpened" else self.realised
        self.realised, _ = nautilus_events.money(event.get("realized_pnl"))
        return None if self.realised is None or before is None else EXACT.subtract(self.realised, before)

    def is_closed_by_part(self, event: Mapping[str, Any]) -> bool:
        """Whether its last fill closed it with a part of its quantity."""
        part, whole = (value.decimal(each) for each in (event.get("last_qty"), self.fill.get("last_quantity")))
        return event.get("type") == "PositionClosed" and part is not None and whole is not None and part < whole


class NautilusAdapter(StreamAdapter):
    """Takes events of NautilusTrader. It needs no package for that; `actor` does.

    Args:
        target: gets each update.
        exchange, strategy: events tell them.
        account: of all updates. If it is not given, it is that of the events; an order's update waits until one of its
            events tells it, unless the cache has a single account of its venue.
        cache: NautilusTrader's, which knows of orders what was told before; the actor gives its own.
    """

    def __init__(
        self, target: Any, *, exchange: str = "", account: str = "", strategy: str = "", cache: Any = None
    ) -> None:
        super().__init__(target, exchange=exchange, account=account, strategy=strategy)
        self._account = account
        self._cache = NautilusCache(cache)
        self._orders = Latest[str, NautilusOrder](KNOWN)
        self._positions = Latest[str, NautilusPosition](KNOWN)

    def actor(self, component_id: str = "ringbuf", **given: Any) -> Any:
        """An actor for an engine or a node, which takes all events of orders and positions from its message bus.

        Args:
            component_id: of the actor, in NautilusTrader.
            given: fields of each update that does not tell its own, as `origin="simulated"` for a backtest.

        Raises:
            ConfigurationError: NautilusTrader is not installed.
        """
        try:
            base = importlib.import_module("nautilus_trader.common.actor").Actor
            config = importlib.import_module("nautilus_trader.common.config").ActorConfig
        except ImportError:
            raise ConfigurationError(
                "NautilusTrader is not installed", "pip install 'ringbuf-capture[nautilus]'"
            ) from None

        def take(event: Any) -> None:
            self.receive(event, **given)

        def register(actor: Any, portfolio: Any, msgbus: Any, cache: Any, clock: Any) -> None:
            """Listen from now on: a node hears of fills before it starts its actors, and after it stopped them."""
            base.register_base(actor, portfolio, msgbus, cache, clock)
            self._cache = NautilusCache(cache)
            for topic in TOPICS:
                msgbus.subscribe(topic=topic, handler=take, priority=FIRST)

        return type("RingbufActor", (base,), {"register_base": register})(config(component_id=component_id))

    def updates(self, event: Any) -> Iterator[Update | Refused]:
        """What an event says, and what of its order was not told before. One of another kind says nothing.

        Args:
            event: see `nautilus_events.decoded`.

        Raises:
            RecordError: it is no event, or names no instrument or no order.
        """
        found = nautilus_events.decoded(event)
        kind = value.text(found.get("type"))
        if kind in nautilus_events.POSITION_EVENTS:
            yield self._of_position(found)
        elif kind in nautilus_events.EXEC_TYPES:
            yield from self._of_order(found, event)

    def _of_order(self, event: Mapping[str, Any], source: Any) -> Iterator[Update | Refused]:
        name = value.text(event.get("client_order_id"))
        if name is None:
            raise RecordError("an event of an order names no client order id", "give an event with one")
        known = self._known(name)
        known.heard.add(getattr(source, "id", None))
        yield from self._missed(known, self._cache.order(source))
        for part in self._cache.parts(event, source):
            update = nautilus_events.order_event(part)
            if part.get("position_id") is None:
                names = (self._cache.position_id(source), part.get("instrument_id"), part.get("strategy_id"))
                update |= nautilus_events.position_of(*names)
            yield from self._told(known, update, part, self._cache.quantity(source))
        primary = self._cache.primary(source)
        if primary is not None:  # what is sent for it makes it smaller
            yield from self._missed(self._known(str(primary.client_order_id)), primary)

    def _known(self, name: str) -> NautilusOrder:
        known = self._orders[name] = self._orders.get(name) or NautilusOrder()
        return known

    def _missed(self, known: NautilusOrder, order: Any) -> Iterator[Update | Refused]:
        """What happened to an order and was not published, or happened before the adapter listened."""
        for event in missed(order, known.heard):
            update = nautilus_events.order_event(event)
            yield from self._told(known, {"origin": "lookback"} | update, event)

    def _told(
        self, known: NautilusOrder, update: Update, event: Mapping[str, Any], quantity: Decimal | None = None
    ) -> Iterator[Update | Refused]:
        """The updates of an event, when its account is known."""
        own = update.get("account") or known.account or self._cache.account_of(update["exchange"])
        known.account = self._account or own
        known.is_emulated |= nautilus_events.is_emulated(event)
        known.untold += known.completed(update, quantity)
        if not known.account and update["exec_type"] != "denied":
            return
        told, known.untold = known.untold, []
        for each in told:
            if not known.account:
                yield Refused(each, "nobody tells the account of a denied order", "no account: give it to the adapter")
                continue
            each["account"] = known.account
            if each["exec_type"] == "fill" and (position_id := value.text(event.get("position_id"))):
                self._fill(position_id, each)
            yield each

    def _fill(self, position_id: str, fill: Update) -> None:
        position = self._positions[position_id] = self._positions.get(position_id) or NautilusPosition(fill)
        position.fill = fill

    def _of_position(self, event: Mapping[str, Any]) -> Update:
        """The fill that changed it, once more, with what is held now and what the fill realised, commissions taken off.

        A fill that closes a position and opens it on the other side is told with both when it has opened it.
        """
        update = nautilus_events.position_event(event)
        update["account"] = self._account or update.get("account", "")
        known = self._positions.get(value.text(event.get("position_id")) or "")
        if known is None or known.fill.get("exchange_ns") != update.get("exchange_ns"):
            return update
        earned = known.earned(event)
        found = known.fill | {"text": update["text"]}
        if known.is_closed_by_part(event):
            known.closed = earned
            return found
        closed, known.closed = known.closed, ZERO
        realised = None if earned is None or closed is None else plain(EXACT.add(earned, closed))
        return found | value.told(venue_position=update.get("venue_position"), realized_pnl=realised)
