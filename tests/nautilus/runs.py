"""Backtests that are recorded: `python -m tests.nautilus.runs RING` prints NautilusTrader's reports of each as JSON.

Beside them it prints what the strategy's inventory knew at each event of a position, and in the end.
"""

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from nautilus_trader.examples.algorithms.twap import TWAPExecAlgorithm
from nautilus_trader.examples.strategies import (
    ema_cross,
    ema_cross_bracket,
    ema_cross_hedge_mode,
    ema_cross_long_only,
    ema_cross_stop_entry,
    ema_cross_trailing_stop,
    ema_cross_twap,
    market_maker,
)
from nautilus_trader.model.data import BarType

from ringbuf.strategies import Recorder
from ringbuf.strategies.adapters.nautilus import NautilusAdapter
from ringbuf.strategies.adapters.nautilus_events import position_of
from ringbuf.strategies.adapters.nautilus_instruments import contracts
from ringbuf.strategies.inventory import Inventory, Profit
from ringbuf.strategies.orders import OrderPages
from ringbuf.trading.contract_table import COLUMNS, row_of
from ringbuf.trading.profit import decimal_of
from tests.nautilus.desk import Desk
from tests.nautilus.markets import FOREX, INVERSE, LINEAR, SPOT, Market, engine_of

CAPACITY = 16_384
BRACKET = {"atr_period": 5, "bracket_distance_atr": 1.0}
TRAIL = {"atr_period": 5, "trailing_atr_multiple": 1.0, "trailing_offset_type": "PRICE", "trigger_type": "BID_ASK"}


def averages(market: Market, module: Any, name: str, size: str, **more: Any) -> Any:
    """One of the example strategies about averages that cross."""
    bars = BarType.from_str(f"{market.instrument.id}-1-MINUTE-BID-INTERNAL")
    common = {"fast_ema_period": 5, "slow_ema_period": 12, "trade_size": Decimal(size)}
    config = getattr(module, f"{name}Config")(instrument_id=market.instrument.id, bar_type=bars, **common, **more)
    return getattr(module, name)(config)


def runs() -> Iterator[tuple[str, Market, Any, Any]]:
    """Name, market, engine and strategy of each."""
    cross = averages(LINEAR, ema_cross, "EMACross", "0.250")
    yield "netting", LINEAR, engine_of(LINEAR), cross
    cross = averages(LINEAR, ema_cross, "EMACross", "0.250")
    yield "ids of the venue", LINEAR, engine_of(LINEAR, is_hedging=True), cross
    hedging = averages(LINEAR, ema_cross_hedge_mode, "EMACross", "0.250")
    yield "hedge mode", LINEAR, engine_of(LINEAR, is_hedging=True), hedging
    spot = averages(SPOT, ema_cross_long_only, "EMACrossLongOnly", "0.250")
    yield "spot", SPOT, engine_of(SPOT), spot
    trailing = averages(INVERSE, ema_cross_trailing_stop, "EMACrossTrailingStop", "100", **TRAIL)
    yield "inverse", INVERSE, engine_of(INVERSE, count=3_000), trailing
    bracket = averages(FOREX, ema_cross_bracket, "EMACrossBracket", "100000", **BRACKET)
    yield "bracket", FOREX, engine_of(FOREX, count=600), bracket
    emulated = averages(FOREX, ema_cross_bracket, "EMACrossBracket", "100000", **BRACKET, emulation_trigger="BID_ASK")
    yield "emulated", FOREX, engine_of(FOREX, is_hedging=True, count=400), emulated
    options = TRAIL | {"trailing_offset": Decimal(5), "emulation_trigger": "BID_ASK"}
    entry = averages(LINEAR, ema_cross_stop_entry, "EMACrossStopEntry", "0.250", **options)
    yield "stop entry", LINEAR, engine_of(LINEAR, count=1_000), entry
    engine = engine_of(LINEAR, count=1_500)
    engine.add_exec_algorithm(TWAPExecAlgorithm())
    yield "algorithm", LINEAR, engine, averages(LINEAR, ema_cross_twap, "EMACrossTWAP", "0.250")
    maker = market_maker.MarketMaker(LINEAR.instrument.id, Decimal(1), Decimal(10))
    yield "market maker", LINEAR, engine_of(LINEAR, has_books=True, count=60), maker
    yield "desk", LINEAR, engine_of(LINEAR, count=60), Desk(LINEAR.instrument.id)


def run(name: str, market: Market, engine: Any, strategy: Any, recorder: Recorder) -> dict[str, Any]:
    """Run one and give what NautilusTrader and what the inventory say of it."""
    known = contracts([market.instrument])
    pages = OrderPages(recorder, Inventory(lookback=None, instruments=known))
    # the ids of runs are the same, so each has an account of its own; that of the first one is told by its events
    adapter = NautilusAdapter(pages, account="" if name == "netting" else name)
    account = name if name != "netting" else f"{market.instrument.venue}-001"
    engine.add_actor(adapter.actor())
    engine.add_strategy(strategy)
    (where,) = known
    moments: list[dict[str, Any]] = []
    late: list[str] = []  # events that others heard of before the pages

    def look(event: Any) -> None:
        told = type(event).to_dict(event)
        position = position_of(told["position_id"], told["instrument_id"], told["strategy_id"])
        profit = pages.inventory.profit(where[0], account, where[1], **position)
        moments.append({"event": told, "inventory": figures(profit)})

    def listen(event: Any) -> None:
        page = pages.page(where[0], account, where[1], client_order_id=str(event.client_order_id))
        order = engine.cache.order(event.client_order_id)
        if page is None or (order is not None and page.executed != order.filled_qty.as_decimal()):
            late.append(type(event).__name__)

    engine.kernel.msgbus.subscribe("events.order.*", listen)
    engine.kernel.msgbus.subscribe("events.position.*", look)
    engine.run()
    inventory = pages.inventory
    found = {
        "name": name,
        "account": account,
        "lost": [dict(adapter.refusals), pages.refused, pages.unrecorded, recorder.producer.dropped, late],
        "instruments": [dict(zip(COLUMNS[:2], key, strict=True)) | row_of(each) for key, each in known.items()],
        "fills": rows(engine.trader.generate_fills_report()),
        "orders": rows(engine.trader.generate_orders_report()),
        "positions": rows(engine.trader.generate_positions_report()),
        "moments": moments,
        "inventory": {
            "orders": [
                {name: getattr(each, name) for name in ("client_order_id", "order_id", "quantity", "executed", "open")}
                | {"side": each.side.name.lower(), "status": each.status.name.lower()}
                for each in inventory.orders()
            ],
            "positions": [
                key._asdict() | each._asdict() | figures(inventory.profit(*key))
                for key, each in inventory.positions().items()
            ],
        },
    }
    engine.dispose()
    return found


def figures(profit: Profit) -> dict[str, Any]:
    """What a position earned, as text."""
    entry = profit.average_entry
    return {
        "quantity": profit.quantity,
        "average_entry": None if entry is None else decimal_of(entry),
        "realised": decimal_of(profit.realised),
        "commissions": profit.commissions,
    }


def rows(report: Any) -> list[dict[str, Any]]:
    """The lines of a report."""
    found: list[dict[str, Any]] = [] if report.empty else report.reset_index().to_dict("records")
    return found


if __name__ == "__main__":
    with Recorder.open(sys.argv[1], capacity=CAPACITY) as opened:
        print(json.dumps([run(*each, opened) for each in runs()], default=str))
