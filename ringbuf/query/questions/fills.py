"""Which fills were there?"""

from typing import Final

from ringbuf.errors import ConfigurationError
from ringbuf.query.database import Database
from ringbuf.query.questions.answer import Answer
from ringbuf.query.questions.selection import Selection
from ringbuf.sinks.clickhouse import unique
from ringbuf.sinks.clickhouse.sums import latest_minute
from ringbuf.sinks.clickhouse.views.parameterised import PLACE
from ringbuf.sinks.clickhouse.views.positions import FILLS
from ringbuf.sinks.clickhouse.views.time import time_of

_DECIMALS: Final = {
    "last_price": "traded_price",
    "last_quantity": "traded_quantity",
    "commission": "commission_paid",
    "other_commission": "other_commission_paid",
}


def fills(database: Database, selection: Selection | None = None, last: int | None = None) -> Answer:
    """Fills, as the venue corrected them and without those it took back, in the order of their time.

    Args:
        selection: which; a fill is in a period by its venue time, or by the time of capture where the venue gave none.
        last: so many of them, the latest.

    Returns:
        the columns of the view `fills`.

    Raises:
        ConfigurationError: `last` is below zero.
    """
    if last is not None and last < 0:
        raise ConfigurationError(f"{last} fills cannot be asked for", "ask for 0 or more")
    selection = selection or Selection()
    first, end = (
        None if limit is None else str(limit // unique.MINUTE_NS) for limit in (selection.since_ns, selection.until_ns)
    )
    if last is not None and first is None and end is None:
        first = latest_minute(database.name, last, [*selection.named()])
    source = unique.stored_fills(database.name, first, end, selection.others("answer."), selection.of_instrument())
    if last is not None:
        latest_first = ", ".join(f"{each} DESC" for each in (time_of(), *PLACE))
        source = f"({unique.fills(source)} ORDER BY {latest_first} LIMIT {last}) AS answer"
    order = ", ".join((time_of("answer."), *(f"answer.{name}" for name in PLACE)))
    return Answer(database, FILLS, source, order, _DECIMALS)
