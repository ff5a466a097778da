"""Chains of orders that took each other's place end the same, however the venue's answers arrive."""

import pytest

from tests.model.request_chains import WholeChain
from tests.unit.trading.histories import applied, totals


@pytest.mark.parametrize("block", range(10))
def test_the_last_order_of_a_chain_works_and_no_other_in_any_order_of_arrival(block: int) -> None:
    for number in range(300):
        chain = WholeChain(f"strategy {block} {number}")
        for records in (chain.records, *(chain.arrivals() for _ in range(3))):
            end = totals(applied(records))
            assert (float(end.quantity), float(end.open_buy)) == (chain.position, chain.open), (number, records)
            assert not end.awaited_buy, (number, records)
