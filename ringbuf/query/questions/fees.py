"""Which commissions were paid?"""

from collections.abc import Sequence
from typing import Final

from ringbuf.errors import ConfigurationError
from ringbuf.query.database import Database
from ringbuf.query.questions.answer import Answer
from ringbuf.query.questions.moment import moment_text
from ringbuf.query.questions.selection import NAMES, Selection, where
from ringbuf.sinks.clickhouse.views.columns import COUNT, EXACT

BY: Final = ("day", *NAMES)
"""What commissions can be summed up by, besides their currency."""
_SUMS: Final = {"amount": EXACT, "fills": COUNT, "ignored": COUNT}


def fees(database: Database, selection: Selection | None = None, by: Sequence[str] = ("day",)) -> Answer:
    """Commissions of fills that are not simulated, exactly, by currency; a rebate is negative.

    Args:
        selection: of which fills; a fill is in a period by its venue time, or by the time of capture where the venue
            gave none.
        by: what else they are summed up by, names of `BY`; days are those of UTC.

    Returns:
        the columns of `by`, currency, amount, fills (how many have such a commission) and ignored (how many have one
        that is not summed: it cannot be, or the fill is not counted).

    Raises:
        ConfigurationError: `by` has something else.
    """
    if unknown := [name for name in by if name not in BY]:
        raise ConfigurationError(f"fees are not summed up by {unknown[0]!r}", f"choose from {', '.join(BY)}")
    selection = selection or Selection()
    period = {"since": selection.since_ns, "until": selection.until_ns}
    given = ", ".join(f"{name} = '{'' if moment is None else moment_text(moment)}'" for name, moment in period.items())
    key = [*dict.fromkeys((*by, "currency"))]
    names = ", ".join(key)
    sums = ", ".join(f"sum(part.{name}) AS {name}" for name in _SUMS)
    source = f"(SELECT {names}, {sums} FROM fees({given}) AS part{where(selection.named())} GROUP BY {names}) AS answer"
    types = {**dict.fromkeys(key, "String"), **_SUMS}
    return Answer(database, types, source, ", ".join(f"answer.{name}" for name in key))
