"""A machine with much to do makes any handler slow, and that is not what these tests are about."""

import pytest

from ringbuf.strategies import handlers


@pytest.fixture(autouse=True)
def _nothing_is_slow_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "SLOW", 0.99)
