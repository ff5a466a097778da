"""Whatever the dialect of a venue, an inventory ends with what really happened there."""

from decimal import Decimal

import pytest

from ringbuf.strategies.inventory import Inventory
from tests.model.venue import random_venue, shown

INSTRUMENT = {"exchange": "sim", "account": "A1", "symbol": "BTC-PERPETUAL"}


@pytest.mark.parametrize("part", range(20))
def test_an_inventory_ends_with_what_a_venue_really_did(part: int) -> None:
    for seed in range(100):
        venue = random_venue((part, seed))
        inventory, records = Inventory(), venue.arrivals()
        for each in records:
            inventory.apply(INSTRUMENT | each)
        position = inventory.position(**INSTRUMENT)
        paid = inventory.commissions().get("", Decimal(0))
        assert (*position[:3], paid) == venue.truth(), shown(records)
        assert position.awaited_buy == position.awaited_sell == 0
