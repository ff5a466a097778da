"""How the demo hedges: what a strategy buys at one exchange it sells at the other one."""

from decimal import Decimal
from typing import Final

from ringbuf.demo.market import (
    BITCOIN,
    BITCOIN_SPOT,
    ETHER,
    ETHER_SPOT,
    HEDGE_EXCHANGE,
    SOLANA,
    SOLANA_SPOT,
)
from ringbuf.strategies.hedger import Hedge

HEDGED_IN: Final = {
    BITCOIN.symbol: (BITCOIN_SPOT, Decimal(1), Decimal(0)),
    ETHER.symbol: (ETHER_SPOT, Decimal("0.75"), Decimal(100)),
    SOLANA.symbol: (SOLANA_SPOT, Decimal(1), Decimal(0)),
}
"""By symbol of the maker order: the hedge instrument, the ratio, and the least notional of a hedge order."""


def hedges(account: str) -> dict[str, Hedge]:
    """The hedge of each maker instrument, by its symbol."""
    return {
        maker: Hedge(
            exchange=HEDGE_EXCHANGE,
            account=account,
            symbol=instrument.symbol,
            ratio=ratio,
            step=instrument.lot,
            minimum_notional=least,
        )
        for maker, (instrument, ratio, least) in HEDGED_IN.items()
    }
