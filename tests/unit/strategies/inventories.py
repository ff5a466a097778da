"""Records of one instrument, and inventories that took them."""

from typing import Any

from ringbuf.strategies.inventory import Inventory, Position

INSTRUMENT = {"exchange": "sim", "account": "A1", "symbol": "BTC-PERPETUAL"}


def order(status: str, **fields: Any) -> dict[str, Any]:
    return INSTRUMENT | {"exec_type": status, "order_status": status, "side": "buy", "quantity": 1.0} | fields


def fill(last_quantity: float = 1.0, **fields: Any) -> dict[str, Any]:
    usual = {
        "exec_type": "fill",
        "side": "buy",
        "last_price": 64000.5,
        "last_quantity": last_quantity,
        "trade_id": "t1",
    }
    return INSTRUMENT | usual | fields


def cancel(**fields: Any) -> dict[str, Any]:
    return INSTRUMENT | {"exec_type": "trade_cancel", "trade_id": "t1"} | fields


def correct(**fields: Any) -> dict[str, Any]:
    return INSTRUMENT | {"exec_type": "trade_correct", "trade_id": "t1"} | fields


def applied(*records: dict[str, Any]) -> Inventory:
    inventory = Inventory()
    for record in records:
        inventory.apply(record)
    return inventory


def position(inventory: Inventory) -> Position:
    return inventory.position(**INSTRUMENT)
