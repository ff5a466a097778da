"""OKX's private channel `orders`, version 5: an order's state together with its last fill; and answers with the same.

Formats: https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel, and of the channel `fills`, which
tells fills alone, https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-fills-channel. Answers:
https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-list and
https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-transaction-details-last-3-days.

A fee that is paid is negative there. Swaps, futures and options count contracts. The time of a record is that of the
update (`uTime`), which all messages of an order have; the fill was some ms before.
"""

from collections.abc import Mapping
from typing import Any, Final

from ringbuf.strategies.adapters import okx_algo, value
from ringbuf.strategies.adapters.adapter import Refused, Update
from ringbuf.strategies.adapters.message import plain
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.trading.number import EXACT

STATUSES: Final = {
    "live": "new",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "mmp_canceled": "canceled",
}
ORDER_TYPES: Final = {
    "market": "market",
    "limit": "limit",
    "post_only": "limit",
    "fok": "limit",
    "ioc": "limit",
    "optimal_limit_ioc": "market",
    "mmp": "limit",
    "mmp_and_post_only": "limit",
    "op_fok": "limit",
    "elp": "limit",
    "rpi": "limit",
}
TIMES_IN_FORCE: Final = {
    "post_only": "post_only",
    "mmp_and_post_only": "post_only",
    "elp": "post_only",
    "rpi": "post_only",
    "fok": "fok",
    "op_fok": "fok",
    "ioc": "ioc",
    "optimal_limit_ioc": "ioc",
    "limit": "gtc",
    "mmp": "gtc",
}
"""What the order type says of it."""
SIDES: Final = {"buy": "buy", "sell": "sell"}
POSITION_SIDES: Final = {"net": "both", "long": "long", "short": "short"}
MARGIN_MODES: Final = {"cash": "cash", "cross": "cross", "isolated": "isolated", "spot_isolated": "isolated"}
TRADE_TYPES: Final = {
    "full_liquidation": "liquidation",
    "partial_liquidation": "liquidation",
    "adl": "adl",
    "delivery": "delivery",
}
"""By category; any other is a regular one."""
SUB_TYPES: Final = {
    **dict.fromkeys(map(str, range(100, 108)), "liquidation"),
    **dict.fromkeys(("112", "113"), "delivery"),
    **dict.fromkeys(map(str, range(125, 129)), "adl"),
    **dict.fromkeys(map(str, (*range(204, 210), *range(324, 330))), "block"),  # of two parties, or from another account
    **dict.fromkeys(map(str, range(270, 276)), "combo_leg"),
}
"""`subType` of a transaction. Usual ones are below 100."""
LIQUIDITY: Final = {"M": "maker", "T": "taker"}
IN_BASE: Final = frozenset({"SPOT", "MARGIN"})


def updates(message: object) -> list[Update | Refused]:
    """What a message says, or an answer with a list of orders or transactions: that is a look-back.

    What is answered to a request that is refused names no instrument: give the symbol with it. Of answers that do not
    tell the request, those to new orders have a `tag`.

    One of another channel than `orders`, `fills` and those of `okx_algo` gives nothing.

    Raises:
        RecordError: it is no message.
    """
    found = value.decoded(message)
    about = found.get("arg")
    if "op" in found:
        is_new = found["op"] in ("order", "batch-orders")
        return [refusal(each, is_new=is_new) for each in value.rows(found.get("data"), "data") if _is_refused(each)]
    if about is None and "code" in found:
        return _listed(value.rows(found.get("data"), "data"))
    channel = about.get("channel") if isinstance(about, Mapping) else None
    if channel in okx_algo.CHANNELS:
        algos = filter(okx_algo.is_conditional, value.rows(found.get("data"), "data"))
        return [update for each in algos for update in _algo_order(each)]
    read = {"orders": order, "fills": _told_fast}.get(value.text(channel) or "")
    return [] if read is None else [read(each) for each in value.rows(found.get("data"), "data")]


def _listed(given: list[Mapping[str, Any]]) -> list[Update | Refused]:
    """The rows of an answer, from the oldest on: the latest comes first in it."""
    found: list[Update | Refused] = []
    for row in reversed(given):
        if _is_refused(row):
            found.append(refusal(row, is_new="tag" in row))
            continue
        found += [each | {"origin": "lookback"} for each in _answered(row)]
    return found


def _answered(row: Mapping[str, Any]) -> list[Update]:
    """A row of an answer. Instruments and other algo orders have a state, too, and trades of the market a tradeId."""
    if okx_algo.is_conditional(row):
        return _algo_order(row)[:1]  # the order that took its place may be over since
    return past_order(row) if "accFillSz" in row else [transaction(row)] if "fillSz" in row else []


def _algo_order(row: Mapping[str, Any]) -> list[Update]:
    is_market = okx_algo.FOR_THE_MARKET in (row.get("ordPx"), row.get("slOrdPx"), row.get("tpOrdPx"))
    shared = value.told(
        position_side=value.word(POSITION_SIDES, row.get("posSide")),
        margin_mode=value.word(MARGIN_MODES, row.get("tdMode")),
        quantity_unit=_unit({**row, "ordType": "market" if is_market else "limit"}),
    )
    return okx_algo.algo_order(row, SIDES, shared)


def order(row: Mapping[str, Any]) -> Update:
    """A row of `orders`: the state of an order, with its fill if it is about one, or what became of a request."""
    is_fill = _is_fill(row)
    status = value.word(STATUSES, row.get("state"))
    unit = _unit(row)
    kind = row.get("ordType")
    update = _names(row) | value.told(
        exec_type="fill" if is_fill else _exec_type(row, status),
        order_status=status,
        order_type=value.word(ORDER_TYPES, kind),
        time_in_force=value.word(TIMES_IN_FORCE, kind),
        price=value.nonzero(row.get("px")),
        quantity=row.get("sz"),
        cumulative_quantity=row.get("accFillSz"),
        average_price=value.nonzero(row.get("avgPx")),
        position_side=value.word(POSITION_SIDES, row.get("posSide")),
        position_effect="reduce_only" if value.is_true(row.get("reduceOnly")) else None,
        margin_mode=value.word(MARGIN_MODES, row.get("tdMode")),
        exchange_ns=value.time_ns(row.get("uTime") or row.get("fillTime")),
        quantity_unit=unit,
        text=_why(row),
    )
    if is_fill:
        update |= _fill(row) | _paid(row)
    return value.finished(update, order_status=row.get("state"), order_type=kind, side=row.get("side"))


def past_order(row: Mapping[str, Any]) -> list[Update]:
    """An order in an answer: its last fill, as far as it is told, which may be older than its state; and that."""
    state = order({**row, "tradeId": ""})
    if not _is_fill(row):
        return [state]
    more = value.told(position_side=value.word(POSITION_SIDES, row.get("posSide")))
    return [value.finished(fill({**row, "ts": row.get("fillTime") or row.get("uTime")}) | _paid(row) | more), state]


def refusal(row: Mapping[str, Any], *, is_new: bool) -> Update:
    """A row of the answer to a request that was refused. It tells no instrument and no side.

    Args:
        is_new: whether the request was for a new order.
    """
    return value.refusal(_names(row), is_new=is_new, code=row.get("sCode"), why=row.get("sMsg"))


def _told_fast(row: Mapping[str, Any]) -> Update | Refused:
    """A row of `fills`; one that sums up several (`count`) has the id of the last one, and they would count twice.

    Of a client order id that is no number it tells 0.
    """
    count = value.decimal(row.get("count"))
    if count is not None and count > 1:
        return Refused(row, f"a row of fills sums up {count} of them, which orders tells one by one", "fills summed up")
    return fill({**row, "clOrdId": value.identity(row.get("clOrdId"))})


def fill(row: Mapping[str, Any]) -> Update:
    """A row of `fills`: a fill alone, without its fee; `orders` tells it once more, with it."""
    update = value.told(
        exec_type="fill",
        exchange_ns=value.time_ns(row.get("ts")),
        quantity_unit="base" if _is_in_base(row) else "contracts",
    )
    return value.finished(_names(row) | _fill(row) | update, side=row.get("side"))


def transaction(row: Mapping[str, Any]) -> Update:
    """A row of the transaction details: a fill alone, with its fee."""
    commission, currency = _fee({"fillFee": row.get("fee"), "fillFeeCcy": row.get("feeCcy")})
    more = value.told(
        commission=commission,
        commission_currency=currency,
        position_side=value.word(POSITION_SIDES, row.get("posSide")),
        realized_pnl=row.get("fillPnl"),
        trade_type=sub_type(row),
    )
    return value.finished(fill(row) | more)


def sub_type(row: Mapping[str, Any]) -> str | None:
    """The kind of a transaction, if it is no usual one."""
    return SUB_TYPES.get(value.text(row.get("subType")) or "")


class OkxAdapter(StreamAdapter):
    """Takes messages of OKX's private channels."""

    def updates(self, message: Any) -> list[Update | Refused]:
        """See `updates` of this module."""
        return updates(message)


def _names(row: Mapping[str, Any]) -> Update:
    return value.names_of(row, SIDES, symbol="instId", side="side", order_id="ordId", client_order_id="clOrdId")


def _fill(row: Mapping[str, Any]) -> Update:
    return value.told(
        trade_id=_trade_id(row),
        last_price=row.get("fillPx"),
        last_quantity=row.get("fillSz"),
        liquidity=value.word(LIQUIDITY, row.get("execType")),
        exchange_seq=value.sequence(row.get("tradeId")),
    )


def _paid(row: Mapping[str, Any]) -> Update:
    """What an order tells of its fill beside price and quantity."""
    commission, currency = _fee(row)
    return value.told(
        commission=commission,
        commission_currency=currency,
        realized_pnl=row.get("fillPnl"),
        trade_type=value.word(TRADE_TYPES, row.get("category")) or "regular",
    )


def _is_fill(row: Mapping[str, Any]) -> bool:
    return value.is_positive(row.get("fillSz")) and _trade_id(row) is not None


def _trade_id(row: Mapping[str, Any]) -> str | None:
    """The id of a fill, which is negative in liquidations and auto-deleveraging."""
    found = value.text(row.get("tradeId"))
    return None if found == "0" else found


def _is_refused(row: Mapping[str, Any]) -> bool:
    return value.text(row.get("sCode")) not in (None, "0")


def _exec_type(row: Mapping[str, Any], status: str | None) -> str:
    """What a row without a fill reports; an amendment that failed (`-1`) leaves the order as it was."""
    result = value.text(row.get("amendResult"))
    if result == "-1":
        return "cancel_rejected"
    if result in ("0", "2") and status in ("new", "partially_filled"):
        return "replaced"
    if status == "canceled":
        return "canceled"
    return "order_status" if status != "new" or value.text(row.get("amendSource")) else "new"


def _fee(row: Mapping[str, Any]) -> tuple[Any, str | None]:
    """The charge of this fill, positive if it is paid; `fee` is that of all of them, so it counts for the only one."""
    for amount, currency in (("fillFee", "fillFeeCcy"), ("fee", "feeCcy")):
        charged = value.decimal(row.get(amount))
        is_told = amount == "fillFee" or value.decimal(row.get("accFillSz")) == value.decimal(row.get("fillSz"))
        if charged is not None and is_told:
            return plain(EXACT.minus(charged)), value.text(row.get(currency))
    return None, None


def _is_in_base(row: Mapping[str, Any]) -> bool:
    """Whether it is spot or margin; without a type the id tells it: `BTC-USDT`."""
    kind = value.text(row.get("instType"))
    return kind in IN_BASE if kind is not None else (value.text(row.get("instId")) or "").count("-") == 1


def _unit(row: Mapping[str, Any]) -> str:
    """What `sz` counts; of spot's market orders to buy that is money, unless they say otherwise."""
    if not _is_in_base(row):
        return "contracts"
    target = value.text(row.get("tgtCcy"))
    is_money = row.get("ordType") == "market" and (
        target == "quote_ccy" or (target is None and row.get("side") == "buy")
    )
    return "quote" if is_money else "base"


def _why(row: Mapping[str, Any]) -> str | None:
    """Why it was canceled or refused, unless the user asked for it."""
    if value.text(row.get("code")) not in (None, "0"):
        return f"{row['code']} {value.text(row.get('msg')) or ''}".strip()
    reason, source = value.text(row.get("cancelSourceReason")), value.text(row.get("cancelSource"))
    if reason is not None:
        return reason
    if source not in (None, "1"):
        return f"cancel source {source}"
    algo = value.text(row.get("algoClOrdId")) or value.text(row.get("algoId"))
    return None if algo is None else f"of algo order {algo}"
