"""The views `fills` and `positions`: what each fill counts for, and the sums (`ringbuf.trading.position`)."""

from collections.abc import Iterable
from typing import Final

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse.views.columns import COUNT, EXACT, QUOTE, TIME, of_execution
from ringbuf.sinks.clickhouse.views.expression import EPOCH, ZERO
from ringbuf.sinks.clickhouse.views.trades import COMMISSIONS, trades
from ringbuf.trading.number import LEAST, MOST, MOST_QUOTE, PRODUCT_DECIMALS, QUOTE_DECIMALS

KEY: Final = ("exchange", "account", "symbol", "position_side", "position_id", "strategy")
_QUOTE_ZERO: Final = f"toDecimal256(0, {QUOTE_DECIMALS})"
_OF_EXECUTION: Final = tuple(name for name in EXECUTION.names if name != "exec_type")
_COUNTS: Final = ("fills", "unpriced", "ignored", "ignored_commissions")
_OPEN: Final = ("open_buy", "open_sell", "awaited_buy", "awaited_sell")
_SIDES: Final = ("buy", "sell")

SUM_COLUMNS: Final = {
    **dict.fromkeys(("bought_quantity", "sold_quantity"), EXACT),
    **dict.fromkeys(("bought_quote", "sold_quote"), QUOTE),
    **dict.fromkeys(_COUNTS, COUNT),
    "commissions": f"Map(String, {EXACT})",
    **dict.fromkeys(("commission_fills", "ignored_by_currency"), f"Map(String, {COUNT})"),
    **dict.fromkeys(("last_exchange_ns", "last_captured_ns"), TIME),
    "fills_hash": COUNT,
}
"""Columns of sums over fills, with their types. By currency: commissions, how many fills have one that is summed, and
how many have one that is not: it cannot be, or the fill is not counted. `fills_hash` is another one for any other
fills, see `checksum_of_fill`."""
NOTHING: Final = {
    name: {EXACT: ZERO, QUOTE: _QUOTE_ZERO, COUNT: "toUInt64(0)", TIME: EPOCH}.get(type_, f"CAST(map(), '{type_}')")
    for name, type_ in SUM_COLUMNS.items()
}
"""What they are where there is no fill."""

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

SUMMED: Final = (*KEY, *(name for name in POSITIONS if name in SUM_COLUMNS), *_OPEN)
"""What positions are added up from."""
NO_OPEN: Final = dict.fromkeys(_OPEN, ZERO)
"""What of it rows of sums have not."""
OF_ORDER: Final = (*KEY, "simulated", "side", "open_quantity", "awaited_quantity")
"""What of an order that is open counts in its position."""


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


def positions(summed: str, latest_orders: str) -> str:
    """The view `positions`: sums over the fills that are not simulated, and what open orders may still change.

    Args:
        summed: a SELECT of the columns `SUMMED`, any number of rows for each position.
        latest_orders: one of the columns `OF_ORDER`, and `is_shown`, with every order that is open.
    """
    key = ", ".join(KEY)
    told = {f"{name}_{side}": (f"{name}_quantity", side) for name in ("open", "awaited") for side in _SIDES}
    of_order = [f"if(side IN ('{side}'), {column}, {ZERO}) AS {name}" for name, (column, side) in told.items()]
    nothing = [f"{NOTHING[name]} AS {name}" for name in SUMMED if name in NOTHING]
    return f"""
SELECT
    {key},
    {quantity()} AS quantity,
    {added(name for name in POSITIONS if name not in (*KEY, "quantity"))}
FROM ({summed}
    UNION ALL
    SELECT {key}, {", ".join((*nothing, *of_order))}
    FROM ({latest_orders}
    )
    WHERE is_shown AND NOT simulated AND open_quantity != 0
) AS part
GROUP BY {key}"""


def sums_of_fills() -> dict[str, str]:
    """The columns of sums over rows of `fills`."""
    quantities = {
        f"{name}_{result}": f"sumIfOrDefault(assumeNotNull({column}), {condition} AND side IN ('{side}'))"
        for column, condition, result in (
            ("traded_quantity", "counted", "quantity"),
            ("traded_quote", "priced", "quote"),
        )
        for side, name in zip(_SIDES, ("bought", "sold"), strict=True)
    }
    is_summed = {name: f"counted AND {name}_paid IS NOT NULL" for name in COMMISSIONS}
    paid = [(f"{name}_currency", f"{name}_paid", when) for name, when in is_summed.items()]
    ignored = [(f"{name}_currency", f"NOT ({when}) AND {_is_told(name)}") for name, when in is_summed.items()]

    return {
        **quantities,
        "fills": "countIf(counted)",
        "unpriced": "countIf(counted AND NOT priced)",
        "ignored": "countIf(NOT counted)",
        "ignored_commissions": " + ".join(f"countIf({when})" for _, when in ignored),
        "commissions": _by_currency(*((key, f"assumeNotNull({amount})", when) for key, amount, when in paid)),
        "commission_fills": _fills_by_currency(*((key, when) for key, _, when in paid)),
        "ignored_by_currency": _fills_by_currency(*ignored),
        # not `max`, which a server of 26.1 to 26.7 compiles wrongly for times before 1970 (ClickHouse#113942)
        **{f"last_{name}": f"maxOrDefault({name})" for name in ("exchange_ns", "captured_ns")},
        "fills_hash": f"sumIf({checksum_of_fill()}, counted)",
    }


def _by_currency(*sums: tuple[str, str, str]) -> str:
    return f"mapAdd({', '.join(f'sumMapIf(map({key}, {value}), {when})' for key, value, when in sums)})"


def _fills_by_currency(first: tuple[str, str], other: tuple[str, str]) -> str:
    """How many fills have such a commission; one that has both in one currency is one."""
    (key, when), (other_key, other_when) = first, other
    alone = f"({other_when}) AND NOT ({when} AND {key} = {other_key})"
    return _by_currency((key, "toUInt64(1)", when), (other_key, "toUInt64(1)", alone))


def checksum_of_fill() -> str:
    """A hash of all of a fill that profit follows from; sums of it are taken modulo 2^64."""
    numbers = ("traded_quantity", "traded_price", *(f"{name}_paid" for name in COMMISSIONS))
    told = ", ".join(f"isNull({name}), ifNull({name}, {ZERO})" for name in numbers)
    currencies = ", ".join(f"{name}_currency" for name in COMMISSIONS)
    times = ", ".join(f"toUnixTimestamp64Nano({name})" for name in ("exchange_ns", "captured_ns"))
    return f"cityHash64({times}, exchange_seq, session, seq, side, {told}, {currencies})"


def added(names: Iterable[str]) -> str:
    """Columns of sums, of any number of rows `part` that have them."""
    return ", ".join(f"{_added(name)} AS {name}" for name in names)


def quantity() -> str:
    """What is held by such sums."""
    return f"{_added('bought_quantity')} - {_added('sold_quantity')}"


def _added(name: str) -> str:
    if name in NOTHING and NOTHING[name].startswith("CAST(map()"):
        return f"sumMap(part.{name})"
    return f"{'max' if name.startswith('last_') else 'sum'}OrDefault(part.{name})"


def _is_told(commission: str) -> str:
    """Whether a fill tells a commission, and not nothing."""
    return f"{commission} != 0 AND NOT isNaN({commission})"


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
