"""How the server is to merge the parts of a table: settings that every table of ours has.

A trickle makes a tiny part in several tables with each insert. The server, when it chooses what to merge, counts a part
below 5 MB as one of 5 MB. So five tiny ones are merged with the one of some MB that the earlier ones have become, and
all of that is written again. What is more, when each tiny one is less than a hundredth of it, all but one are taken out
of the choice again, and then each insert has it written again. If more parts are merged at once, that is seldom, and
the ones of some MB are left out earlier, since they make it too dear.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Final

from ringbuf.errors import SinkUnavailable

LOGGER: Final = logging.getLogger("ringbuf.writer")
SETTINGS: Final = {
    "merge_selector_base": 10,
    "merge_selector_enable_heuristic_to_remove_small_parts_at_right": 0,
}


def give_settings(name: str, itself: str, engine: str, define: Callable[[str], None]) -> None:
    """Give a table of an earlier release the settings that it lacks; what its owner has set stays.

    Args:
        itself: the table in a statement that changes it.
        engine: that of the table with all its settings, as `system.tables` has it.
        define: runs a statement; if it cannot be run, nobody has to wait for that.
    """
    lacking = ", ".join(f"{setting} = {value}" for setting, value in SETTINGS.items() if setting not in engine)
    if lacking:
        try:
            define(f"ALTER TABLE {itself} MODIFY SETTING {lacking}")
        except SinkUnavailable as error:
            _say(name, str(error))


@cache
def _say(name: str, why: str) -> None:
    """Say once that a table has not the settings: it is tried again with each look at the table."""
    LOGGER.warning("table %s is merged as the server likes, which takes more of its time: %s", name, why)
