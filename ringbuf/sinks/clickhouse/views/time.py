"""When a fill, or an order's last report, counts: at its venue time, or where the venue gave none, when captured."""

from typing import Final

from ringbuf.sinks.clickhouse.views.expression import NO_TIME

NS: Final = 1_000_000_000
"""In a second."""


def time_of(source: str = "") -> str:
    """When a fill, or the last report of an order, counts."""
    return f"if({source}exchange_ns = {NO_TIME}, {source}captured_ns, {source}exchange_ns)"


def from_on(moment: str, source: str = "") -> str:
    """That a fill counts at or after a moment; a comparison that finds the venue time in the tables' order."""
    told, captured = f"{source}exchange_ns", f"{source}captured_ns"
    return f"({told} >= {moment} OR ({told} = {NO_TIME} AND {captured} >= {moment}))"


def before(moment: str, source: str = "") -> str:
    """That it counts before a moment."""
    told, captured = f"{source}exchange_ns", f"{source}captured_ns"
    return f"(({told} < {moment} AND {told} != {NO_TIME}) OR ({told} = {NO_TIME} AND {captured} < {moment}))"


def since_epoch(length: int, time: str) -> str:
    """The number of the minute, day or the like in which a time is, counted from the epoch; below zero before it.

    The time is not rounded down first: that may be before all times that 64 bits have. And the length is signed: with
    an unsigned one the server takes a time before the epoch for the large number of the same bits.

    Args:
        length: in the unit of the time.
    """
    return f"(intDiv({time}, {length}) - ({time} % toInt64({length}) < 0))"


def day_of(seconds: str) -> str:
    """The day (UTC) of seconds since the epoch; a Date32, since a Date is of 1970 to 2149."""
    return f"toDate32(toDateTime64({seconds}, 0, 'UTC'), 'UTC')"
