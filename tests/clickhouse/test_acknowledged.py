"""When `orders` says that an order was requested and acknowledged."""

from typing import Any

import pytest

from tests.clickhouse.databases import Database
from tests.clickhouse.test_views import ORDER, record

REQUEST = {**ORDER, "exec_type": "pending_new", "order_status": "pending_new"}
NEW = {**ORDER, "order_status": "new", "order_id": "o-1"}
REJECT = {**ORDER, "exec_type": "rejected", "order_status": "rejected"}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ([(REQUEST, 10), (NEW, 17), ({**NEW, "exec_type": "canceled", "order_status": "canceled"}, 30)], (10, 17)),
        ([(NEW, 17), (REQUEST, 10)], (10, 17)),
        ([(REQUEST, 10), ({**REQUEST, "order_id": "o-1"}, 15), (NEW, 17)], (10, 15)),
        ([(REQUEST, 10), ({**ORDER, "exec_type": "pending_cancel", "order_status": "pending_cancel"}, 12)], (10, 0)),
        ([(REQUEST, 10), (REJECT, 14)], (10, 14)),
        ([(REQUEST, 10), ({**REJECT, "exec_type": "denied", "order_status": "denied"}, 14)], (10, 0)),
        ([(REQUEST, 10), ({**NEW, "origin": "lookback"}, 14), ({**NEW, "exchange_ns": 1}, 20)], (10, 20)),
        ([(NEW, 17)], (0, 17)),
        ([({**NEW, "origin": "reconciliation"}, 17)], (0, 0)),
        ([({**REQUEST, "origin": "simulated"}, 3), ({**NEW, "origin": "simulated"}, 5)], (3, 5)),
    ],
)
def test_the_first_request_and_the_first_report_of_the_venue_count(
    views: Database, told: list[tuple[dict[str, Any], int]], wanted: tuple[int, int]
) -> None:
    record(views, *({**fields, "captured_ns": captured_ns} for fields, captured_ns in told))
    columns = "toUnixTimestamp64Nano(requested_ns), toUnixTimestamp64Nano(acknowledged_ns)"
    for settings in ("", " SETTINGS aggregate_functions_null_for_empty = 1"):
        assert views.rows(f"SELECT {columns} FROM {views.name()}.orders{settings}") == [wanted]
