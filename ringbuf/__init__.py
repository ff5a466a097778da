"""Capture every order and fill of a trading system without the trading ever waiting for it.

This package holds the ring: records in shared memory, one producer and one consumer each. `ringbuf.strategies` has the
recorder for strategy processes, `ringbuf.writer` the process that stores the records, `ringbuf.tools` the command line.
"""

from ringbuf.errors import RingbufError
from ringbuf.record.execution import (
    EXECUTION,
    ExecType,
    Flag,
    Liquidity,
    MarginMode,
    OrderStatus,
    OrderType,
    Origin,
    PositionEffect,
    PositionSide,
    QuantityUnit,
    Side,
    TimeInForce,
    TradeType,
)
from ringbuf.record.schema import Schema
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.observer import Observation, Observer, RingState
from ringbuf.ring.producer import FULL, Producer

__all__ = [
    "EXECUTION",
    "FULL",
    "Consumer",
    "ExecType",
    "Flag",
    "Liquidity",
    "MarginMode",
    "Observation",
    "Observer",
    "OrderStatus",
    "OrderType",
    "Origin",
    "PositionEffect",
    "PositionSide",
    "Producer",
    "QuantityUnit",
    "RingState",
    "RingbufError",
    "Schema",
    "Side",
    "TimeInForce",
    "TradeType",
]
