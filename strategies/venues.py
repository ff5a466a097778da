"""Facts about venues, each with the address of the document that says so.

`ID_FORMATS`: what each takes as a client order id. `OPEN_ORDERS`: what it means there that an order is not among the
open ones. The names are those of ccxt and others in use; a venue that is not here is given by its user.
"""

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Final, NamedTuple

from ringbuf.errors import ConfigurationError
from ringbuf.strategies.arguments import check_kind
from ringbuf.strategies.id_format import ALPHANUMERIC, IdFormat, Kind

_DASHED: Final = f"{ALPHANUMERIC}-_"
_BINANCE: Final = ("binance", "binance-spot", "binanceus")
_BINANCE_FUTURES: Final = ("binance-futures", "binanceusdm", "binancecoinm")
_BYBIT: Final = ("bybit", "bybit-spot")
_OKX: Final = ("okx", "okex", "myokx")
_GATE: Final = ("gate", "gateio", "gate.io")


def _text(length: int, source: str, alphabet: str = _DASHED, prefix: str = "") -> IdFormat:
    return IdFormat(length=length, alphabet=alphabet, prefix=prefix, source=source)


_FORMATS: Final[dict[tuple[str, ...], IdFormat]] = {
    _BINANCE: _text(36, "https://developers.binance.com/docs/binance-spot-api-docs/errors"),
    _BINANCE_FUTURES: _text(
        36,
        "https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/New-Order",
        f"{ALPHANUMERIC}.:/_-",
    ),
    _BYBIT: _text(36, "https://bybit-exchange.github.io/docs/v5/order/create-order"),
    _OKX: _text(32, "https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order", ALPHANUMERIC),
    ("deribit",): _text(64, "https://docs.deribit.com/api-reference/trading/private-buy"),
    ("kraken",): _text(18, "https://docs.kraken.com/api/docs/guides/spot-clordid"),
    ("krakenfutures", "kraken-futures"): _text(100, "https://docs.kraken.com/api/docs/futures-api/trading/send-order"),
    _GATE: _text(30, "https://www.gate.com/docs/developers/apiv4/en/#create-an-order", f"{_DASHED}.", "t-"),
    ("hyperliquid",): IdFormat(
        Kind.HEX_128,
        source="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/exchange-endpoint#place-an-order",
    ),
    ("dydx",): IdFormat(
        Kind.INTEGER,
        limit=1 << 32,
        source="https://github.com/dydxprotocol/v4-chain/blob/main/proto/dydxprotocol/clob/order.proto",
    ),
    ("bitfinex",): IdFormat(
        Kind.INTEGER, limit=1 << 45, source="https://docs.bitfinex.com/reference/rest-auth-submit-order"
    ),
    ("coinbase", "coinbaseadvanced", "coinbaseexchange", "coinbaseinternational"): IdFormat(
        Kind.UUID, source="https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/orders/create-new-order"
    ),
    ("kucoin", "kucoinfutures"): _text(40, "https://www.kucoin.com/docs-new/rest/spot-trading/orders/add-order"),
    ("bitget",): _text(32, "https://www.bitget.com/api-doc/contract/trade/Place-Order"),
    ("bitmex",): _text(36, "https://www.bitmex.com/api/explorer/#!/Order/Order_new"),
    ("htx", "huobi"): _text(64, "https://huobiapi.github.io/docs/spot/v1/en/#place-a-new-order"),
    ("htx-futures", "huobi-futures"): IdFormat(
        Kind.INTEGER, limit=1 << 63, source="https://huobiapi.github.io/docs/usdt_swap/v1/en/#isolated-place-an-order"
    ),
    ("woo", "woox"): IdFormat(Kind.INTEGER, limit=1 << 63, source="https://docs.woox.io/#send-order"),
    ("lighter",): IdFormat(
        Kind.INTEGER,
        limit=1 << 48,
        source="https://github.com/elliottech/lighter-go/blob/main/types/txtypes/constants.go",
    ),
    ("mexc",): _text(32, "https://www.mexc.com/api-docs/spot-v3/spot-account-trade#new-order"),
    ("cryptocom", "crypto.com"): _text(
        36, "https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html#private-create-order"
    ),
    ("bingx",): _text(40, "https://bingx-api.github.io/docs/#/en-us/swapV2/trade-api.html", ALPHANUMERIC),
    ("whitebit",): _text(32, "https://docs.whitebit.com/guides/client-order-id", f"{_DASHED}."),
    ("ascendex", "bitmax"): _text(
        32,
        "https://github.com/bitmax-exchange/bitmax-pro-api/blob/master/source/includes/_rest_prv_order.md",
    ),
}
ID_FORMATS: Final[Mapping[str, IdFormat]] = {name: each for names, each in _FORMATS.items() for name in names}
"""What a venue takes as a client order id, by its names.

Of Bitget, BitMEX and MEXC the length is what their users keep to; their documents name none. No text has more than 15
characters behind its prefix.
"""


def _spelled(venue: str) -> str:
    """A venue's name as it is in the tables."""
    return venue.lower().replace("_", "-")


def id_format(venue: str) -> IdFormat:
    """What a venue takes as a client order id.

    Raises:
        ConfigurationError: it is not in the table, or no text.
    """
    check_kind("venue", venue, str)
    name = _spelled(venue)
    if name not in ID_FORMATS:
        near = get_close_matches(name, ID_FORMATS, 1)
        raise ConfigurationError(
            f"no format of client order ids is known of {venue!r}",
            f"{f'did you mean {near[0]!r}? else ' if near else ''}give the format itself, from the venue's document:"
            " IdFormat(length=…, alphabet=…)",
        )
    return ID_FORMATS[name]


class OpenOrders(NamedTuple):
    """What it means at a venue that an order is not among the open ones.

    Attributes:
        is_over: whether it is over then. Not where the list may be behind, or leave some out.
        forgets: after this time the venue no longer finds an order that ended without a fill; None if it does not say.
        queries: those that give all open orders, together and with all their pages.
        source: the address of the venue's document.
    """

    is_over: bool
    forgets: timedelta | None
    queries: str
    source: str


_OPEN: Final[dict[tuple[str, ...], OpenOrders]] = {
    _BINANCE: OpenOrders(
        True,
        timedelta(days=90),
        "GET /api/v3/openOrders",
        "https://developers.binance.com/docs/binance-spot-api-docs/errors#-2026-order_archived",
    ),
    _BINANCE_FUTURES: OpenOrders(
        True,
        timedelta(days=3),
        "GET /fapi/v1/openOrders and /fapi/v1/openAlgoOrders (conditional orders)",
        "https://developers.binance.com/docs/derivatives/coin-margined-futures/trade/Query-Order",
    ),
    _BYBIT: OpenOrders(
        True,
        timedelta(hours=24),
        "GET /v5/order/realtime for each category, all pages",
        "https://bybit-exchange.github.io/docs/v5/order/order-list",
    ),
    _OKX: OpenOrders(
        True,
        timedelta(hours=2),
        "GET /api/v5/trade/orders-pending and orders-algo-pending, all pages",
        "https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-history-last-7-days",
    ),
    ("deribit",): OpenOrders(
        True,
        None,
        "private/get_open_orders, type all",
        "https://docs.deribit.com/api-reference/trading/private-get_open_orders",
    ),
    ("kraken",): OpenOrders(
        True,
        None,
        "POST /0/private/OpenOrders",
        "https://docs.kraken.com/api/docs/rest-api/get-open-orders",
    ),
    ("hyperliquid",): OpenOrders(
        True,
        None,
        "frontendOpenOrders, of each dex",
        "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint",
    ),
    ("bitfinex",): OpenOrders(
        True, None, "POST /v2/auth/r/orders", "https://docs.bitfinex.com/reference/rest-auth-retrieve-orders"
    ),
    _GATE: OpenOrders(
        True,
        None,
        "GET /spot/open_orders or /futures/{settle}/orders, all pages, and the price-triggered orders",
        "https://www.gate.com/docs/developers/apiv4/en/#list-all-open-orders",
    ),
    ("bitmex",): OpenOrders(
        True, None, 'GET /order, filter {"open": true}, all pages', "https://www.bitmex.com/api/explorer/#!/Order"
    ),
    ("dydx",): OpenOrders(
        False,
        None,
        "the indexer's orders of status OPEN, UNTRIGGERED and BEST_EFFORT_OPENED, of which the last is best effort",
        "https://github.com/dydxprotocol/v4-chain/tree/main/indexer",
    ),
}
OPEN_ORDERS: Final[Mapping[str, OpenOrders]] = {name: each for names, each in _OPEN.items() for name in names}
"""What it means that an order is not among a venue's open ones, by the venue's names."""


def open_orders(venue: str) -> OpenOrders | None:
    """What it means at a venue that an order is not among the open ones; None if the venue is not in the table."""
    return OPEN_ORDERS.get(_spelled(venue))
