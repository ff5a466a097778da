"""The states of an order in the document are those of the rules, and those of the rules make sense."""

import re

from ringbuf.record.enumerations import ExecType, OrderStatus
from ringbuf.trading.report import CHANGES, TRADES
from ringbuf.trading.states import ENDS, NO_ID, REOPENING, REQUESTS, STATUS_OF
from tests.checkout import ROOT

SECTION = re.split(r"^## ", (ROOT / "docs" / "FORMAT.md").read_text(), flags=re.MULTILINE)
(STATES,) = (each for each in SECTION if each.startswith("States of an order"))
IS = {
    "a trade, if its last quantity is above 0": TRADES,
    "a change of a trade": CHANGES,
    "a request: tells no quantity and no price of the order": REQUESTS,
    "opens an order again, finally, if its state works": REOPENING,
}


def state(status: OrderStatus) -> str:
    end = ENDS.get(status)
    if end is None:
        return f"| {status.name.lower()} | works | | |"
    over = "over, unless leaves > 0" if end.unless_leaves else "over"
    return f"| {status.name.lower()} | {over} | {end.force.name.lower()} | {end.reason} |"


def exec_type(kind: ExecType) -> str:
    told = STATUS_OF[kind].name.lower() if kind in STATUS_OF else ""
    return f"| {kind.name.lower()} | {told} | {'; '.join(text for text, kinds in IS.items() if kind in kinds)} |"


def test_the_states_in_the_document_are_those_of_the_rules() -> None:
    first, second = (
        part.split("|---|\n")[1].split("\n\n")[0] for part in re.split(r"(?=^\| exec type)", STATES, flags=re.M)
    )
    assert first.splitlines() == [state(each) for each in OrderStatus if each]
    assert second.splitlines() == [exec_type(each) for each in ExecType]


def test_the_ids_in_the_document_that_tell_nothing_are_those_of_the_rules() -> None:
    assert f"empty, {', '.join(f'`{each}`' for each in sorted(NO_ID) if each)}." in STATES


def test_every_odd_state_has_its_reason() -> None:
    assert all(each.reason for each in ENDS.values())
    assert {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED} < ENDS.keys()
