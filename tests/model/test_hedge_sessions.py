"""Whatever becomes of hedge orders at a venue, and however it tells, the strategy knows what hedges and what works."""

import random
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages
from ringbuf.trading.hedge import HedgeBalance
from ringbuf.trading.report import Instrument
from tests.model.sessions.exchange import Exchange
from tests.model.sessions.telling import Dialect, Told
from tests.model.test_sessions import (
    DIALECTS,
    each_venue,
    merged,
    requests,
    sessions,
    told_by,
    with_copies,
    with_losses,
)

few_sessions = settings(sessions, max_examples=8)
KNOWN = [each for each in DIALECTS if each.abilities.amend != "new client id"]
"""Where the client id changes and all that told the first one is lost, nobody knows which order was asked for."""


def check(dialect: Dialect, exchange: Exchange, arrived: Sequence[Told]) -> None:
    """All orders that were requested are hedge orders; those that the venue made are none."""
    pages = OrderPages(inventory=Inventory(lookback=None, hedges=lambda _: None))
    for request in requests(dialect, exchange):
        pages.apply({**request, "link_id": "m"})
    name = dialect.exchange.removesuffix("_spot")
    adapter = dialect.adapter(pages, exchange=name, account="A1", strategy="s")
    for each in arrived:
        adapter.receive(dialect.text(each.message))
    hedging = [each for each in exchange.orders if not each.forced]
    signed = [(each, Decimal(1 if each.side == "buy" else -1)) for each in hedging]
    filled = sum((sign * each.executed for each, sign in signed), Decimal(0))
    working = sum((sign * each.left for each, sign in signed if each.works), Decimal(0))
    balances = pages.inventory.hedge_balances()
    found = balances.get(Instrument(dialect.exchange, "A1", dialect.symbol), HedgeBalance())
    assert (found.filled, found.working) == (filled, working)


@each_venue
@few_sessions
@given(draw=st.randoms(use_true_random=False))
def test_hedge_orders_hedge_on_whatever_becomes_of_them(dialect: Dialect, draw: random.Random) -> None:
    exchange, told = told_by(dialect, draw, same_ms=True)
    check(dialect, exchange, with_copies(draw, merged(draw, told)))


@each_venue
@few_sessions
@given(draw=st.randoms(use_true_random=False))
def test_hedge_orders_hedge_on_in_any_order_of_arrival(dialect: Dialect, draw: random.Random) -> None:
    exchange, told = told_by(dialect, draw, same_ms=False)
    check(dialect, exchange, with_copies(draw, draw.sample(told, len(told))))


@pytest.mark.parametrize("dialect", KNOWN, ids=lambda each: f"{type(each).__module__}.{type(each).__name__}")
@few_sessions
@given(draw=st.randoms(use_true_random=False))
def test_hedge_orders_of_which_words_were_lost_hedge_after_the_snapshot(dialect: Dialect, draw: random.Random) -> None:
    exchange, told = told_by(dialect, draw, same_ms=False)
    check(dialect, exchange, with_losses(draw, told))
