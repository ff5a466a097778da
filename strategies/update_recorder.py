"""Recording updates of any instrument: each exchange, account, symbol and strategy is bound once."""

import logging
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import numpy as np

from ringbuf.record.fields import Given, names
from ringbuf.strategies.bound_recorder import BOUND, BoundRecorder
from ringbuf.strategies.recorder import Recorder

LOGGER: Final = logging.getLogger("ringbuf.orders")
_bound_of: Final = itemgetter(*BOUND)
_GIVEN: Final = frozenset((*BOUND, *names(given=Given.CALL)))


class UpdateRecorder:
    """Records updates with the recorder of a strategy process. It never raises.

    Attributes:
        failed: updates that were not recorded, as after the recorder was closed. What a full ring drops, it counts.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.failed = 0
        self._recorder = recorder
        self._bound: dict[tuple[Any, ...], BoundRecorder] = {}
        self._said: set[object] = set()

    def record(self, update: np.void | Mapping[str, Any]) -> None:
        """Record an update. One that has a seq is a record already; what the recorder does not take is left out."""
        try:
            fields = unrecorded(update)
            if fields is None:
                return
            try:
                self._append(fields)
            except TypeError:  # a name that is not known
                self._append_known(fields)
        except Exception as error:
            self.failed += 1
            if self._is_news(type(error)):
                LOGGER.exception("an update was not recorded; each kind of error is logged once, all are counted")

    def _append(self, fields: Mapping[str, Any]) -> None:
        try:
            key = _bound_of(fields if type(fields) is dict else dict(fields))
        except KeyError:  # one of them is not told
            key = tuple(map(fields.get, BOUND))
        bound = self._bound.get(key)
        if bound is None:
            texts = {name: value or "" for name, value in zip(BOUND, key, strict=True)}
            bound = self._bound[key] = self._recorder.bind(**texts)
        bound.order_of(fields)

    def _append_known(self, update: Mapping[str, Any]) -> None:
        """Record what the recorder takes of an update."""
        known = {name: value for name, value in update.items() if name in _GIVEN}
        known |= {name: str(known[name]) for name in BOUND if known.get(name) is not None}
        self._append(known)
        unknown = sorted(map(str, update.keys() - known.keys()))
        if self._is_news("names"):
            LOGGER.warning("no record has %s: left out of an update; logged once", ", ".join(unknown))

    def _is_news(self, kind: object) -> bool:
        is_news = kind not in self._said
        self._said.add(kind)
        return is_news


def unrecorded(update: np.void | Mapping[str, Any]) -> Mapping[str, Any] | None:
    """An update that is no record yet; None if it has a seq."""
    return None if isinstance(update, np.void) or update.get("seq") is not None else update
