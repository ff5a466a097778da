"""When a fill, or an order's last report, counts: at its venue time, or where the venue gave none, when captured."""

from typing import Final

from ringbuf.sinks.clickhouse.views.expression import EPOCH

NS: Final = 1_000_000_000
"""In a second."""


def time_of(source: str = "") -> str:
    """When a fill, or the last report of an order, counts."""
    return f"if({source}exchange_ns = {EPOCH}, {source}captured_ns, {source}exchange_ns)"


def from_on(moment: str) -> str:
    """That a fill counts at or after a moment; a comparison that finds the venue time in the tables' order."""
    return f"(exchange_ns >= {moment} OR (exchange_ns = {EPOCH} AND captured_ns >= {moment}))"


def before(moment: str) -> str:
    """That it counts before a moment."""
    return (
        f"((exchange_ns < {moment} AND exchange_ns != {EPOCH}) OR (exchange_ns = {EPOCH} AND captured_ns < {moment}))"
    )
