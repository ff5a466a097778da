"""The views `fills` and `positions`: what each fill counts for, and the sums (`ringbuf.trading.position`)."""

from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.views.columns import COUNT, EXACT, QUOTE, TIME, of_execution
from ringbuf.sinks.clickhouse.views.expression import EPOCH, ZERO
from ringbuf.sinks.clickhouse.views.trades import trades
from ringbuf.trading.number import LEAST, MOST, MOST_QUOTE, PRODUCT_DECIMALS, QUOTE_DECIMALS

KEY: Final = ("exchange", "account", "symbol", "position_side", "position_id", "strategy")
_QUOTE_ZERO: Final = f"toDecimal256(0, {QUOTE_DECIMALS})"
_OF_EXECUTION: Final = tuple(name for name in EXECUTION.names if name != "exec_type")
_COUNTS: Final = ("fills", "unpriced", "ignored", "ignored_commissions")
_OPEN: Final = ("open_buy", "open_sell", "awaited_buy", "awaited_sell")
_SIDES: Final = ("buy", "sell")
SUMS: Final = ("bought_quantity", "sold_quantity", "bought_quote", "sold_quote", *_COUNTS)
"""Sums over fills."""

FILLS: Final = {
    **of_execution(_OF_EXECUTION),
    "simulated": "Bool",
    "corrected": "Bool",
    "copies": COUNT,
    **dict.fromkeys(("counted", "priced"), "Bool"),
    **dict.fromkeys(("traded_price", "traded_quantity"), f"Nullable({EXACT})"),
    "traded_quote": f"Nullable({QUOTE})",
    **dict.fromkeys(("commission_paid", "other_commission_paid"), f"Nullable({EXACT})"),
}
"""The columns of `fills`, with their types."""

POSITIONS: Final = {
    **of_execution(KEY),
    **dict.fromkeys(("quantity", "bought_quantity", "sold_quantity"), EXACT),
    **dict.fromkeys(("bought_quote", "sold_quote"), QUOTE),
    **dict.fromkeys(_COUNTS, COUNT),
    **dict.fromkeys(_OPEN, EXACT),
    "commissions": f"Map(String, {EXACT})",
    **dict.fromkeys(("last_exchange_ns", "last_captured_ns"), TIME),
}
"""Those of `positions`."""


def fills(table: str) -> str:
    """The view `fills`: the columns of EXECUTION as they count, and

    - counted, priced: whether quantity, and price x quantity, can be summed
    - corrected, copies: whether the venue corrected it, and how many records told of it
    - traded_price, traded_quantity, traded_quote, commission_paid, other_commission_paid: the exact decimals that are
      summed; NULL if they are not countable, traded_quote if it is not priced
    """
    return f"""
SELECT {", ".join(_OF_EXECUTION)}, simulated, CAST(corrected, 'Bool') AS corrected, copies,
    CAST({_COUNTED}, 'Bool') AS counted,
    CAST({_COUNTED} AND {_priced()}, 'Bool') AS priced, traded_price, traded_quantity,
    if(priced, {_quote()}, NULL) AS traded_quote, commission_paid, other_commission_paid
FROM ({trades(table)})"""


def positions(fills: str, orders: str) -> str:
    """The view `positions`: sums over the fills that are not simulated, and what open orders may still change."""
    key = ", ".join(KEY)
    sums = (*SUMS, *_OPEN)
    of_orders = [
        f"ifNull(sumIf({column}, side = '{side}'), {ZERO}) AS {name}_{side}"
        for name, column in (("open", "open_quantity"), ("awaited", "awaited_quantity"))
        for side in _SIDES
    ]
    nothing = {name: "toUInt64(0)" if name in _COUNTS else ZERO for name in sums} | {
        "bought_quote": _QUOTE_ZERO,
        "sold_quote": _QUOTE_ZERO,
    }
    no_fees = "CAST(map(), 'Map(String, Decimal(76, 38))')"
    return f"""
SELECT
    {key},
    bought_quantity - sold_quantity AS quantity,
    {", ".join(f"ifNull(sum(part.{name}), {nothing[name]}) AS {name}" for name in sums)},
    sumMap(part.commissions) AS commissions,
    ifNull(max(part.last_exchange_ns), {EPOCH}) AS last_exchange_ns,
    ifNull(max(part.last_captured_ns), {EPOCH}) AS last_captured_ns
FROM (
    SELECT {key}, {sums_of_fills()}, {", ".join(f"{nothing[name]} AS {name}" for name in _OPEN)}
    FROM {fills}
    WHERE NOT simulated
    GROUP BY {key}
    UNION ALL
    SELECT
        {key}, {", ".join(f"{nothing[name]} AS {name}" for name in SUMS)},
        {no_fees} AS commissions, {EPOCH} AS last_exchange_ns, {EPOCH} AS last_captured_ns, {", ".join(of_orders)}
    FROM {orders}
    WHERE NOT simulated AND open_quantity != 0
    GROUP BY {key}
) AS part
GROUP BY {key}"""


def sums_of_fills() -> str:
    """Columns of sums over rows of `fills`: `SUMS`, and commissions, last_exchange_ns, last_captured_ns."""
    amounts = [
        f"ifNull(sumIf(assumeNotNull({column}), {condition} AND side = '{side}'), {zero}) AS {name}_{result}"
        for column, condition, zero, result in (
            ("traded_quantity", "counted", ZERO, "quantity"),
            ("traded_quote", "priced", _QUOTE_ZERO, "quote"),
        )
        for side, name in zip(_SIDES, ("bought", "sold"), strict=True)
    ]
    commissions = ("commission", "other_commission")
    paid = [
        f"sumMapIf(map({name}_currency, assumeNotNull({name}_paid)), counted AND {name}_paid IS NOT NULL)"
        for name in commissions
    ]
    ignored = [f"countIf(counted AND {is_ignored(name)})" for name in commissions]
    return f"""{", ".join(amounts)},
        countIf(counted) AS fills, countIf(counted AND NOT priced) AS unpriced, countIf(NOT counted) AS ignored,
        {" + ".join(ignored)} AS ignored_commissions,
        mapAdd({", ".join(paid)}) AS commissions,
        max(exchange_ns) AS last_exchange_ns, max(captured_ns) AS last_captured_ns"""


def is_ignored(commission: str) -> str:
    """Whether a commission of a fill was told and cannot be summed."""
    return f"{commission}_paid IS NULL AND {commission} != 0 AND NOT isNaN({commission})"


_COUNTED: Final = "side IN ('buy', 'sell') AND ifNull(traded_quantity > 0, 0)"


def _priced() -> str:
    """Whether the product of price and quantity is summed."""
    fits = " OR ".join(f"({_fits(*decimals)})" for decimals in PRODUCT_DECIMALS)
    size = f"(last_price = 0 OR (abs(last_price) >= {LEAST} AND abs(last_price) < {MOST}))"
    return f"{size} AND abs(last_price) * last_quantity < {MOST_QUOTE} AND ({fits})"


def _fits(price: int, quantity: int) -> str:
    """Whether price and quantity have no more decimals than that."""
    return (
        f"toDecimal256OrZero(price_text, {price}) = traded_price"
        f" AND toDecimal256OrZero(quantity_text, {quantity}) = traded_quantity"
    )


def _quote() -> str:
    """The product of price and quantity, exactly."""
    products = ", ".join(
        f"{_fits(price, quantity)},"
        f" toDecimal256OrZero(price_text, {price}) * toDecimal256OrZero(quantity_text, {quantity})"
        for price, quantity in PRODUCT_DECIMALS
    )
    return f"multiIf(NOT priced, {_QUOTE_ZERO}, {products}, {_QUOTE_ZERO})"
