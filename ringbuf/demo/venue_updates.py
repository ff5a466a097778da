"""What a strategy records, from what a simulated exchange sends: an adapter, as every venue needs one."""

from collections.abc import Mapping
from typing import Any, Final

_SAME: Final = (
    "symbol",
    "side",
    "order_type",
    "time_in_force",
    "liquidity",
    "price",
    "quantity",
    "last_price",
    "last_quantity",
    "cumulative_quantity",
    "leaves_quantity",
    "average_price",
    "client_order_id",
    "order_id",
    "trade_id",
    "exchange_ns",
    "exchange_seq",
)
_RENAMED: Final = {"fee": "commission", "fee_currency": "commission_currency", "reason": "text"}


def update_of(event: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The update of one event, or of an order or trade that was asked for.

    Args:
        names: exchange, account and strategy.
    """
    told = {name: event.get(name) for name in _SAME}
    told |= {ours: event.get(theirs) for theirs, ours in _RENAMED.items()}
    told["exec_type"] = event["event"]
    if event["event"] != "cancel_rejected":
        told["order_status"] = event["status"]
    return {**names, **{name: value for name, value in told.items() if value is not None}}
