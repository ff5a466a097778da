"""The order state matrices of FIX 4.4, appendix D, told as FIX messages, end as the specification says."""

from typing import Any

import pytest

from ringbuf.strategies.adapters.fix import FixAdapter
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import OrderPages
from tests.unit.strategies.venues.fix_session import encoded, report
from tests.unit.trading.histories import INSTRUMENT, REQUESTS, matrices, totals

BOUND = {"exchange": "sim", "account": "A1", "strategy": "mm"}


def adapter(target: Any) -> FixAdapter:
    return FixAdapter(target, **BOUND)


def is_own_request(record: dict[str, Any]) -> bool:
    return record["exec_type"] in REQUESTS and not record.get("order_id")


def has_words_for(version: str, name: str) -> bool:
    """Whether a version can tell a matrix: without ExecType, as in 4.0, nobody says that an order is restated."""
    return version != "FIX.4.0" or all(step.record["exec_type"] != "restated" for step in matrices()[name])


@pytest.mark.parametrize(
    ("name", "version"),
    [(name, each) for name in matrices() for each in ("FIX.4.4", "FIX.4.2", "FIX.4.0") if has_words_for(each, name)],
)
def test_a_matrix_told_as_messages_is_right_after_each_of_them(name: str, version: str) -> None:
    inventory = Inventory()
    pages, session = OrderPages(inventory=inventory), adapter(inventory)
    for number, step in enumerate(matrices()[name]):
        record = step.record
        if is_own_request(record):
            pages.apply(INSTRUMENT | {"strategy": "mm"} | record)
        else:
            session.receive(encoded(report(record, number, version), version))
        position = totals(inventory)
        assert position[:3] == step.right, (number, record)
    # An order that the venue does not know has no instrument.
    assert all(each.message["order_id"] == "NONE" for each in session.refused)


@pytest.mark.parametrize("name", [name for name in matrices() if not name.endswith("_with_requests")])
def test_a_log_of_a_matrix_with_copies_ends_right(name: str) -> None:
    records = [step.record for step in matrices()[name]]
    lines = []
    for number, record in enumerate(records):
        tags = report(record, number)
        lines += [f"2026-01-02 03:04:05 <OUT> {encoded(tags, separator='|')} # {number}\n", "a line of other things\n"]
        lines += [f"{encoded(tags | {43: 'Y', 122: '20260102-03:04:05'}, separator='^A')}\n"]
    inventory = Inventory()
    session = adapter(inventory)
    assert session.log(lines) == 2 * len(records)
    assert totals(inventory)[:3] == matrices()[name][-1].right
