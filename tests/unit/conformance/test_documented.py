"""The code in docs/ADAPTERS.md about adapters of one's own runs, and prints what it says."""

import re
from typing import Any

import pytest

from ringbuf.strategies.inventory import Inventory
from tests.checkout import ROOT

DOCUMENT = (ROOT / "docs" / "ADAPTERS.md").read_text()


def code(title: str) -> list[str]:
    (section,) = (part for part in re.split(r"^## ", DOCUMENT, flags=re.MULTILINE) if part.startswith(title))
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_the_kit_says_what_the_document_shows(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for each in code("An adapter of your own"):
        exec(each, names)
        assert capsys.readouterr().out == "".join(re.findall(r"^# (.*\n)", each, re.MULTILINE))


def test_the_mapping_in_the_document_is_one() -> None:
    inventory = Inventory()
    (each,) = code("Dicts and dataclasses")
    exec(each, {"pages": inventory})
    assert str(inventory.position("mine", "A1", "BTC").quantity) == "0.1"
    assert {currency: str(amount) for currency, amount in inventory.commissions().items()} == {"USDT": "0.02"}
