"""What messages end in: the pages of orders, positions and commissions."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from ringbuf.strategies.adapters.message import plain
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderState
from ringbuf.trading.position import Position
from ringbuf.trading.report import Instrument

_PAGE = ("client_order_id", "side", "status", "price", "quantity", "executed", "awaited", "open")


class Ending(NamedTuple):
    """What is known after the last message.

    Attributes:
        orders: by exchange, account, symbol and its order id, or its client order id if it has no other.
        positions: by what they are kept for.
        commissions: by currency; positive is paid.
    """

    orders: Mapping[tuple[str, str, str, str], OrderState]
    positions: Mapping[Instrument, Position]
    commissions: Mapping[str, Decimal]

    @classmethod
    def of(cls, inventory: Inventory) -> "Ending":
        """What an inventory knows now."""
        orders = {(*each.key[:3], each.order_id or each.client_order_id): each for each in inventory.orders()}
        return cls(dict(sorted(orders.items())), dict(sorted(inventory.positions().items())), inventory.commissions())

    def differences(self, other: "Ending") -> list[str]:
        """Where the other one is not the same, one line each. A position of nothing is as good as none."""
        mine, its = ({key: held for key, held in each.positions.items() if any(held)} for each in (self, other))
        return [
            *_different(_rows(self.orders, _page_of), _rows(other.orders, _page_of)),
            *_different(_rows(mine, Position._asdict), _rows(its, Position._asdict)),
            *_different({"all": {"commissions": self.commissions}}, {"all": {"commissions": other.commissions}}),
        ]


def _page_of(order: OrderState) -> dict[str, Any]:
    return {"position_side": order.key.position_side} | {name: getattr(order, name) for name in _PAGE}


def _rows(found: Mapping[Any, Any], fields: Any) -> dict[str, dict[str, Any]]:
    return {"/".join(filter(None, key)): fields(value) for key, value in found.items()}


def _different(one: Mapping[str, dict[str, Any]], other: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    for key in one.keys() | other.keys():
        mine, its = one.get(key), other.get(key)
        if mine is None or its is None:
            yield f"{key}: {'only' if its is None else 'not'} there in the order of the messages"
            continue
        for name in mine.keys() | its.keys():
            if mine.get(name) != its.get(name):
                yield f"{key}: {name} {_shown(its.get(name))} instead of {_shown(mine.get(name))}"


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(amount)} {currency}".rstrip() for currency, amount in sorted(value.items())) or "none"
    return str(getattr(value, "name", value)).lower()
