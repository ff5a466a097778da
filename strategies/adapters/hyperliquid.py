"""Hyperliquid's subscriptions `orderUpdates`, `userFills`, `userFundings` and `userEvents`.

Formats: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions (WsOrder, WsFill,
WsUserFundings), the words of an order's status
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint#query-order-status-by-oid-or-cloid.

An order tells what is left of it (`sz`) of what was ordered (`origSz`). A change of an order is a cancel and a new one
with another id. What comes with `isSnapshot` is history, that is told again after each connect.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ringbuf.strategies.adapters import value
from ringbuf.strategies.adapters.adapter import Refused, Update
from ringbuf.strategies.adapters.message import plain
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.trading.number import EXACT

SIDES: Final = {"B": "buy", "A": "sell"}
ORDER_TYPES: Final = {
    "Limit": "limit",
    "Market": "market",
    "Stop Market": "stop",
    "Stop Limit": "stop_limit",
    "Take Profit Market": "take_profit",
    "Take Profit Limit": "take_profit_limit",
}
TIMES_IN_FORCE: Final = {"Gtc": "gtc", "Ioc": "ioc", "Alo": "post_only", "FrontendMarket": "ioc"}
FORCED: Final = {"Liquidated": "liquidation", "Auto-Deleveraging": "adl", "Settlement": "settlement"}
"""How `dir` begins of fills that the venue itself makes."""


def updates(message: object, user: str = "") -> list[Update | Refused]:
    """What a message says, or a row of an answer with fills or orders: that is a look-back.

    One of another channel gives nothing.

    Args:
        user: the address for which it came; a message of fills tells it itself.

    Raises:
        RecordError: it is no message.
    """
    found = value.decoded(message)
    if "channel" not in found:
        return _row(found, user)
    data = found.get("data")
    if found.get("channel") == "orderUpdates":
        return [order(each) for each in value.rows(data, "data")]
    if not isinstance(data, Mapping):
        return []
    user = value.text(data.get("user")) or user
    match found.get("channel"):
        case "userFills":
            told_updates: list[Update | Refused] = [
                fill(each, user) for each in _by_time(value.rows(data.get("fills"), "data.fills"))
            ]
        case "userFundings":
            told_updates = [funding(each) for each in _by_time(value.rows(data.get("fundings"), "data.fundings"))]
        case "user" | "userEvents":
            told_updates = [fill(each, user) for each in _by_time(value.rows(data.get("fills"), "data.fills"))]
            told_updates += [funding(data["funding"])] if isinstance(data.get("funding"), Mapping) else []
            given = value.rows(data.get("nonUserCancel"), "data.nonUserCancel")
            told_updates += [order({"order": each, "status": "canceled"}) for each in given]
        case "userTwapSliceFills":
            slices = value.rows(data.get("twapSliceFills"), "data.twapSliceFills")
            told_updates = [
                fill(each, user) for each in _by_time(value.rows([each.get("fill") for each in slices], "fill"))
            ]
        case "openOrders":
            given = value.rows(data.get("orders"), "data.orders")
            return [order({"order": each, "status": "open"}) | {"origin": "lookback"} for each in given]
        case _:
            return []
    if data.get("isSnapshot") is not True:
        return told_updates
    return [each if isinstance(each, Refused) else each | {"origin": "lookback"} for each in told_updates]


def _row(row: Mapping[str, Any], user: str) -> list[Update | Refused]:
    """An answer to `orderStatus`, or a row of one to `userFills`, `historicalOrders`, `openOrders` and the like."""
    if "tid" in row:
        if "oid" not in row:
            return []  # a trade of the market
        return [fill(row, user) | {"origin": "lookback"}]
    found = row.get("order")
    if isinstance(found, Mapping) and "status" in row:
        return [order(found if isinstance(found.get("order"), Mapping) else row) | {"origin": "lookback"}]
    if "oid" in row and "origSz" in row:
        return [order({"order": row, "status": "open"}) | {"origin": "lookback"}]
    return []


def order(row: Mapping[str, Any]) -> Update:
    """A WsOrder: the state of an order. Of one that is filled some messages tell all of it as left, and it is none."""
    given = row.get("order")
    found: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    said = value.text(row.get("status")) or ""
    ordered, left = value.decimal(found.get("origSz")), value.decimal(found.get("sz"))
    executed = None if ordered is None or left is None else EXACT.subtract(ordered, left)
    if said == "filled" and ordered is not None and not executed:
        executed = ordered
    status = _status(said, executed)
    return value.finished(
        _names(found)
        | value.told(
            exec_type=status if status in ("canceled", "rejected", "triggered") else "order_status",
            order_status=status,
            order_type=value.word(ORDER_TYPES, found.get("orderType")),
            time_in_force=value.word(TIMES_IN_FORCE, found.get("tif")),
            price=value.nonzero(found.get("limitPx")),
            stop_price=value.nonzero(found.get("triggerPx")),
            quantity=found.get("origSz"),
            cumulative_quantity=None if executed is None else plain(executed),
            position_effect="reduce_only" if value.is_true(found.get("reduceOnly")) else None,
            exchange_ns=value.time_ns(row.get("statusTimestamp")),  # `timestamp` is when it was made
            text=said if said.lower() != status and status in ("canceled", "rejected") else None,
        ),
        order_status=said,
        side=found.get("side"),
    )


def fill(row: Mapping[str, Any], user: str = "") -> Update:
    """A WsFill: a fill alone. `fee` is paid if positive, and the builder's is in it.

    Args:
        user: the address that had it; a liquidation may be the other's.
    """
    is_taker = row.get("crossed")
    update = _names(row) | value.told(
        exec_type="fill",
        trade_id=value.identity(row.get("tid")),
        last_price=row.get("px"),
        last_quantity=row.get("sz"),
        liquidity=("taker" if is_taker else "maker") if isinstance(is_taker, bool) else None,
        commission=row.get("fee"),
        commission_currency=value.text(row.get("feeToken")),
        realized_pnl=row.get("closedPnl"),
        trade_type=_trade_type(row, user),
        exchange_ns=value.time_ns(row.get("time")),
    )
    start, size = value.decimal(row.get("startPosition")), value.decimal(row.get("sz"))
    if start is not None and size is not None and "side" in update:
        ended = EXACT.add(start, size) if update["side"] == "buy" else EXACT.subtract(start, size)
        update["venue_position"] = plain(ended)
    return value.finished(update, side=row.get("side"))


def funding(row: Mapping[str, Any]) -> Update | Refused:
    """A payment of funding: `usdc` is what was received, and what was paid if negative.

    A history sums up old ones (`nSamples`): which they are is not said, so they would count twice.
    """
    samples = row.get("nSamples")
    if isinstance(samples, int) and samples > 1:
        return Refused(row, f"a row of funding sums up {samples} payments", "funding summed up")
    received = value.decimal(row.get("usdc"))
    update = value.told(
        exec_type="funding",
        trade_type="funding",
        symbol=value.text(row.get("coin")),
        commission=None if received is None else plain(EXACT.minus(received)),
        commission_currency="USDC",
        exchange_ns=value.time_ns(row.get("time")),
    )
    return value.finished(update)


class HyperliquidAdapter(StreamAdapter):
    """Takes messages of Hyperliquid's subscriptions."""

    def updates(self, message: Any) -> list[Update | Refused]:
        """See `updates` of this module."""
        return updates(message, self._bound["account"])


def _names(row: Mapping[str, Any]) -> Update:
    named = value.names_of(row, SIDES, symbol="coin", side="side", order_id="oid", client_order_id="cloid")
    return named | {"quantity_unit": "base"}


def _status(said: str, executed: Decimal | None) -> str | None:
    """The order's status; the reason of an end stands before the word: `marginCanceled`, `badAloPxRejected`."""
    if said in ("open", "accepted"):
        return "partially_filled" if value.is_positive(executed) else "new"
    if said.lower().endswith("canceled") or said == "scheduledCancel":
        return "canceled"
    if said.lower().endswith("rejected"):
        return "rejected"
    return said if said in ("filled", "triggered") else None


def _trade_type(row: Mapping[str, Any], user: str) -> str | None:
    """What kind of trade it is; of one in a liquidation that may be the other's it is not known."""
    forced = next(
        (kind for begin, kind in FORCED.items() if (value.text(row.get("dir")) or "").startswith(begin)), None
    )
    liquidation = row.get("liquidation")
    if forced is not None or not isinstance(liquidation, Mapping):
        return forced or "regular"
    liquidated = value.text(liquidation.get("liquidatedUser"))
    if not user.startswith("0x") or liquidated is None:
        return None
    return "liquidation" if liquidated.lower() == user.lower() else "regular"


def _by_time(found: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows from the oldest on; a history comes with the latest first."""
    times = [value.time_ns(each.get("time")) for each in found]
    numbers = [each for each in times if isinstance(each, int)]
    return found[::-1] if len(numbers) > 1 and numbers[0] > numbers[-1] else found
