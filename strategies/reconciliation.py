"""Self-correction after a disconnect: what was missed is asked of the venue, and the order pages follow.

    queries = VenueQueries(open_orders=..., trades=..., order=..., positions=...)
    found = await reconcile_async(pages, queries, exchange="okx", account="A1", strategy="mm-btc")

What the venue tells is applied as look-back records. Where it tells an order's total and not all of its fills, a fill
is inferred, which gives way to the real ones. An order that the venue lists no more is over if the table of venues says
so (`ringbuf.strategies.venues.OPEN_ORDERS`) and nothing speaks against it; else it is in doubt, and counts as open. A
second time gives nothing new. It may run while live updates come.
"""

import asyncio
import inspect
import logging
from collections.abc import Collection
from typing import Any, Final

from ringbuf.errors import ConfigurationError
from ringbuf.strategies.handlers import RAISED
from ringbuf.strategies.inquiry import Inquiry
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation_report import Difference, Doubt, Reconciliation
from ringbuf.strategies.venue_queries import NO_SUCH_ORDER, Answer, Failure, Question, VenueQueries

__all__ = [
    "NO_SUCH_ORDER",
    "Answer",
    "Difference",
    "Doubt",
    "Failure",
    "Reconciliation",
    "VenueQueries",
    "reconcile",
    "reconcile_async",
]

LOGGER: Final = logging.getLogger("ringbuf.reconciliation")
_FAILED: Final = "the query %s failed: nothing is concluded from it"


def reconcile(
    pages: OrderPages,
    queries: VenueQueries,
    *,
    exchange: str,
    account: str,
    strategy: str = "",
    symbols: Collection[str] | None = None,
) -> Reconciliation:
    """Ask the venue, with plain functions, and let the pages follow.

    Args:
        pages: of which the orders are.
        queries: what can be asked.
        exchange, account: whose orders and positions the answers tell; given to updates that do not tell them.
        strategy: likewise.
        symbols: those that the answers are about; None if they are about all of the account.

    Raises:
        ConfigurationError: a function is a coroutine function, exchange or account is empty, or symbols is one text.
    """
    steps = Inquiry(pages, queries, (exchange, account, strategy), symbols).steps()
    try:
        question = next(steps)
        while True:
            question = steps.send(_answered(question))
    except StopIteration as end:
        found: Reconciliation = end.value
        return found


async def reconcile_async(
    pages: OrderPages,
    queries: VenueQueries,
    *,
    exchange: str,
    account: str,
    strategy: str = "",
    symbols: Collection[str] | None = None,
) -> Reconciliation:
    """The same with functions of which some or all are coroutine functions."""
    steps = Inquiry(pages, queries, (exchange, account, strategy), symbols).steps()
    try:
        question = next(steps)
        while True:
            try:
                given = question.ask()
                answer = question.answer(await given if inspect.isawaitable(given) else given)
            except RAISED as error:
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                LOGGER.exception(_FAILED, question.query)
                answer = question.failed(error)
            question = steps.send(answer)
    except StopIteration as end:
        found: Reconciliation = end.value
        return found


def _is_cancelled() -> bool:
    """Whether it is this task that is cancelled, and not something that a query waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _answered(question: Question) -> Any:
    try:
        given = question.ask()
        if not inspect.isawaitable(given):
            return question.answer(given)
    except RAISED as error:
        LOGGER.exception(_FAILED, question.query)
        return question.failed(error)
    if inspect.iscoroutine(given):
        given.close()
    raise ConfigurationError(f"the query {question.query} is a coroutine function", "await reconcile_async")
