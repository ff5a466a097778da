"""Events of NautilusTrader as it gives them as dicts, of one order; and what becomes of them."""

from typing import Any, Final

from ringbuf.strategies.adapters.adapter import Update
from ringbuf.strategies.adapters.nautilus import NautilusAdapter
from ringbuf.strategies.reconciliation import Answer

BEGIN_NS: Final = 1_700_000_000_000_000_000
NAMES: Final = {"trader_id": "T-001", "strategy_id": "S-000", "instrument_id": "ETH.USDT.BINANCE"}


def event(kind: str, second: int = 0, **fields: Any) -> dict[str, Any]:
    """An event of the order `c1`, so many seconds after the beginning."""
    times = {"ts_event": BEGIN_NS + second * 10**9, "ts_init": BEGIN_NS + second * 10**9}
    told = {"type": kind, "client_order_id": "c1", "event_id": f"{kind} {second}", **NAMES, **times}
    return told | fields


def at_venue(kind: str, second: int = 0, **fields: Any) -> dict[str, Any]:
    return event(kind, second, **{"account_id": "BINANCE-001", "venue_order_id": "v1"} | fields)


def asked(second: int = 0, **fields: Any) -> dict[str, Any]:
    order = {"order_side": "BUY", "order_type": "LIMIT", "quantity": "10", "time_in_force": "GTC"}
    options = {"options": {"price": "100"}, "emulation_trigger": "NO_TRIGGER"}
    return event("OrderInitialized", second, **order | options | fields)


def filled(quantity: str, second: int, **fields: Any) -> dict[str, Any]:
    trade = {"trade_id": f"t{second}", "last_qty": quantity, "last_px": "100", "order_side": "BUY"}
    paid = {"order_type": "LIMIT", "commission": "0.1 USDT", "liquidity_side": "MAKER", "position_id": None}
    return at_venue("OrderFilled", second, **trade | paid | fields)


def moved(kind: str, second: int, quantity: str, realised: str, **fields: Any) -> dict[str, Any]:
    names = {"position_id": "P-1", "account_id": "BINANCE-001", "opening_order_id": "c1", "last_qty": quantity}
    held = {"quantity": quantity, "side": "LONG", "realized_pnl": f"{realised} USDT"}
    found = event(kind, second, **names | held | fields)
    del found["client_order_id"]
    return found


def updates(*events: Any, **made_with: Any) -> list[Update]:
    """What becomes of events."""
    target = Answer()
    adapter = NautilusAdapter(target, **made_with)
    adapter.receive(list(events))
    assert not adapter.refused
    return [dict(each) for each in target]
