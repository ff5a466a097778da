"""Capture every order and fill of a trading system without the trading ever waiting for it.

This package holds the ring: records in shared memory, one producer and one consumer each. `ringbuf.strategies` has the
recorder for strategy processes, `ringbuf.writer` the process that stores the records, `ringbuf.tools` the command line.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
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
else:
    _MODULES = {
        "ringbuf.errors": ("RingbufError",),
        "ringbuf.record.schema": ("Schema",),
        "ringbuf.ring.consumer": ("Consumer",),
        "ringbuf.ring.observer": ("Observation", "Observer", "RingState"),
        "ringbuf.ring.producer": ("FULL", "Producer"),
    }

    def __getattr__(name):
        """Import what is used when it is used: until the command line is there, Ctrl-C cannot end it quietly."""
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        homes = [home for home, names in _MODULES.items() if name in names]
        found = getattr(import_module(homes[0] if homes else "ringbuf.record.execution"), name)
        globals()[name] = found
        return found


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
