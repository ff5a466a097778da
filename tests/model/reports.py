"""Reports as the model of orders reads them: one instrument, usual values only."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

ENDS: Final = {
    "filled": 1,
    "rejected": 1,
    "denied": 1,
    "done_for_day": 1,
    "calculated": 1,
    "canceled": 3,
    "expired": 3,
    "replaced": 3,
}
"""The states in which an order is over, and how strongly each says so."""
UNLESS_LEAVES: Final = {"replaced", "done_for_day", "calculated"}
REQUESTS: Final = {"pending_cancel", "pending_replace"}
STATES: Final = {*ENDS, *REQUESTS, "new", "pending_new", "suspended", "stopped", "triggered"} - {"filled", "replaced"}
"""The exec types that tell the state after them."""


@dataclass(eq=False)
class Report:
    """One report, with its place: arrival from 1, and its venue time, 0 if it tells none."""

    fields: dict[str, Any]
    arrival: int
    venue_ns: int
    is_copy: bool

    def text(self, name: str) -> str:
        value = self.fields.get(name) or ""
        return "" if name != "client_order_id" and value in ("0", "NONE") else str(value)

    def number(self, name: str) -> Decimal | None:
        value = self.fields.get(name)
        return None if value is None else Decimal(repr(value))

    @property
    def moment(self) -> tuple[int, int]:
        return self.venue_ns, self.arrival

    @property
    def exec_type(self) -> str:
        return self.text("exec_type")

    @property
    def order_id(self) -> str:
        return self.text("order_id")

    @property
    def is_trade(self) -> bool:
        return self.exec_type in ("fill", "calculated") and bool(self.number("last_quantity"))

    @property
    def is_change(self) -> bool:
        return self.exec_type in ("trade_cancel", "trade_correct")

    @property
    def status(self) -> str:
        told = self.text("order_status") or "unknown"
        if self.exec_type == "cancel_rejected" and told == "rejected":
            return "unknown"
        is_told = told != "unknown" or self.is_trade or self.exec_type not in STATES
        return told if is_told else self.exec_type

    @property
    def is_over(self) -> bool:
        return self.status in ENDS and not (self.status in UNLESS_LEAVES and bool(self.number("leaves_quantity")))

    @property
    def is_new_request(self) -> bool:
        return not self.order_id and self.status == "pending_new" and self.exec_type not in REQUESTS

    @property
    def is_request(self) -> bool:
        return self.is_new_request or (not self.order_id and self.exec_type in REQUESTS)

    @property
    def is_own_end(self) -> bool:
        return not self.order_id and self.status in ("rejected", "denied")

    @property
    def total(self) -> Decimal | None:
        told, leaves, quantity = (self.number(f"{name}quantity") for name in ("cumulative_", "leaves_", ""))
        if told is None and leaves is not None and quantity is not None and 0 < leaves <= quantity:
            return quantity - leaves
        return told

    @property
    def force(self) -> int:
        if not self.is_over:
            return 3 if self.exec_type in ("replaced", "restated", "trade_cancel", "trade_correct") else 1
        total, quantity = self.total, self.number("quantity")
        is_short = total is not None and quantity is not None and total < quantity
        return 2 if self.status == "filled" and is_short else ENDS[self.status]


def reports(records: Iterable[dict[str, Any]]) -> list[Report]:
    """All records, in their order of arrival."""
    found: list[Report] = []
    seen: list[dict[str, Any]] = []
    for arrival, fields in enumerate(records, 1):
        told = {name: value for name, value in fields.items() if value not in (None, "")}
        same = {name: value for name, value in told.items() if name != "commission"}
        found.append(Report(told, arrival, told.get("exchange_ns", 0), same in seen))
        seen.append(same)
    return found
