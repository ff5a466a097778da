"""Messages of venues with any values in them: nothing raises, nothing odd is left, and the next message counts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checkout import TESTS
from tests.model.test_adapters import ODD, Checked, failures
from tests.unit.strategies.venues.test_messages import ADAPTERS, READ

SAVED = [
    (venue, json.loads(case["message"]))
    for venue in READ
    for case in json.loads((TESTS / "messages" / "venues" / f"{venue}.json").read_text())
    if case["updates"]
]


def objects(found: Any) -> list[dict[str, Any]]:
    """All objects in a message, itself too."""
    if isinstance(found, dict):
        return [found, *(each for value in found.values() for each in objects(value))]
    return [each for value in found for each in objects(value)] if isinstance(found, list) else []


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SAVED), st.data())
def test_a_message_with_any_values_is_kept_or_listed(saved: tuple[str, Any], data: st.DataObject) -> None:
    venue, message = saved
    odd = json.loads(json.dumps(message))
    found = data.draw(st.sampled_from([each for each in objects(odd) if each]))
    for name in data.draw(st.lists(st.sampled_from(sorted(found)), min_size=1, max_size=3)):
        found[name] = data.draw(ODD)
    target = Checked()
    adapter = ADAPTERS[venue](target, exchange=venue, account="A1", strategy="mm")
    adapter.receive(odd)
    assert not failures(adapter.refused), adapter.refused
    taken = len(target.taken)
    adapter.receive(message)
    assert len(target.taken) > taken


class Untold:
    """A value that cannot even be shown."""

    def __str__(self) -> str:
        raise ValueError("on purpose")

    __repr__ = __str__


@pytest.mark.parametrize("venue", ADAPTERS)
def test_each_value_of_each_message_may_be_of_any_kind(venue: str) -> None:
    kinds: list[Any] = [Untold(), [], {}]
    for message in (each for name, each in SAVED if name == venue):
        for place, found in enumerate(objects(message)):
            for name in found:
                for value in kinds:
                    odd = json.loads(json.dumps(message))
                    objects(odd)[place][name] = value
                    adapter = ADAPTERS[venue](Checked(), exchange=venue, account="A1", strategy="mm")
                    adapter.receive(odd)
                    assert not failures(adapter.refused), (name, adapter.refused)
