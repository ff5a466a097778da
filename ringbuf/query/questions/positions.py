"""What are the positions, now or at a moment?"""

from typing import Final

from ringbuf.errors import ConfigurationError
from ringbuf.query.database import Database
from ringbuf.query.questions.answer import Answer
from ringbuf.query.questions.moment import check_moment, moment_text
from ringbuf.query.questions.selection import Selection, where
from ringbuf.sinks.clickhouse.views.parameterised import POSITIONS_AT
from ringbuf.sinks.clickhouse.views.positions import KEY, POSITIONS

_ORDER: Final = ", ".join(f"answer.{name}" for name in KEY)


def positions(database: Database, selection: Selection | None = None, at_ns: int | None = None) -> Answer:
    """Positions: exact sums over the fills that are not simulated.

    Args:
        selection: which; without a period.
        at_ns: as they were at this moment, ns since the epoch, with its own fills and with what is known now. A fill
            counts at its venue time, or at the time of capture where the venue gave none.

    Returns:
        the columns of the view `positions`, or of `positions_at`, which has no open quantities.

    Raises:
        ConfigurationError: the selection has a period, or no record can have that time.
    """
    selection = selection or Selection()
    if selection.since_ns is not None or selection.until_ns is not None:
        raise ConfigurationError("positions are of a moment and not of a period", "say at which moment")
    if at_ns is None:
        view, types = "positions", POSITIONS
    else:
        at = moment_text(check_moment(at_ns, f"at_ns {at_ns}"))
        view, types = f"positions_at(at = '{at}')", POSITIONS_AT
    return Answer(database, types, f"{view} AS answer{where(selection.named())}", _ORDER)
