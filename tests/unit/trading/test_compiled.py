"""The rules are compiled where that was asked for, and nowhere else: in a checkout it would hide what is edited."""

import importlib
import os
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

PASSED = (
    "book",
    "delta",
    "directory",
    "executed",
    "ledger",
    "order",
    "order_state",
    "position",
    "rank",
    "report",
    "states",
    "trade",
)
"""Modules that every report passes through."""


@pytest.mark.parametrize("name", PASSED)
def test_the_rules_are_machine_code_in_a_release_and_python_in_a_checkout(name: str) -> None:
    file = importlib.import_module(f"ringbuf.trading.{name}").__file__
    assert file is not None
    is_compiled = os.environ.get("RINGBUF_COMPILE", "0") not in ("", "0")
    assert file.endswith(tuple(EXTENSION_SUFFIXES) if is_compiled else ".py")
