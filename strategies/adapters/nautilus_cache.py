"""What NautilusTrader's cache says of an event's order and position, beside the event."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ringbuf.strategies.adapters.nautilus_events import decoded

Event = Mapping[str, Any]


class NautilusCache:
    """Asks a cache of NautilusTrader; without one, or about an event that is only a mapping, nothing is known.

    Args:
        cache: `Actor.cache` or `BacktestEngine.cache`.
    """

    def __init__(self, cache: Any = None) -> None:
        self._cache = cache

    def order(self, event: Any) -> Any:
        """The order of an event; None if it is not known, as when it was only initialized."""
        name = None if self._cache is None else getattr(event, "client_order_id", None)
        return None if name is None else self._cache.order(name)

    def primary(self, event: Any) -> Any:
        """The order that an execution algorithm sends as several, if the one of an event is one of those; else None."""
        order = self.order(event)
        name = None if order is None else order.exec_spawn_id
        return None if name is None or name == order.client_order_id else self._cache.order(name)

    def account_of(self, venue: str) -> str:
        """The account at a venue, if there is just one; else empty."""
        accounts = [] if self._cache is None else [each.id for each in self._cache.accounts()]
        found = [str(each) for each in accounts if str(each.get_issuer()) == venue]
        return found[0] if len(found) == 1 else ""

    def quantity(self, event: Any) -> Decimal | None:
        """What is ordered now; None if that is an amount of money. An event does not tell that it was converted."""
        order = self.order(event)
        return None if order is None or order.is_quote_quantity else Decimal(str(order.quantity))

    def position_id(self, event: Any) -> str | None:
        """The id of the position that an order was sent for."""
        found = None if self.order(event) is None else self._cache.position_id(event.client_order_id)
        return None if found is None else str(found)

    def parts(self, whole: Event, event: Any) -> list[Event]:
        """A fill that closes one position and opens another one with an id of its own, as NautilusTrader splits it.

        In hedge mode, where NautilusTrader makes the ids itself. The second part has the id of the trade with `-F`.
        Any other event is given back as it is.

        Args:
            whole: the event as a mapping.
        """
        if self._cache is None or whole.get("type") != "OrderFilled" or isinstance(event, Mapping):
            return [whole]
        position: Any = None if event.position_id is None else self._cache.position(event.position_id)
        closing = None if position is None else position.last_event
        if closing is None or closing.trade_id != event.trade_id or closing.last_qty >= event.last_qty:
            return [whole]
        for each in self._cache.positions_open(instrument_id=event.instrument_id, strategy_id=event.strategy_id):
            opening = each.events[0]
            if each.id != position.id and opening.trade_id == event.trade_id:
                return [decoded(closing), {**decoded(opening), "trade_id": f"{event.trade_id}-F"}]
        return [whole]


def missed(order: Any, heard: set[Any]) -> list[Event]:
    """The events of an order that were not heard, up to the last one that was: NautilusTrader does not publish all.

    Args:
        order: None gives none.
        heard: the ids of those that were; those of what is given back are added.
    """
    found: list[Any] = []
    for each in () if order is None else reversed(order.events):
        if each.id not in heard:
            found.append(each)
        elif found or each is not order.last_event:
            break
    heard.update(each.id for each in found)
    return [decoded(each) for each in reversed(found)]
