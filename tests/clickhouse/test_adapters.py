"""Messages that went through an adapter once: the strategy's pages and the database know the same of them."""

import json
import random
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from ringbuf.ring.observer import Observer
from ringbuf.strategies import Recorder
from ringbuf.strategies.adapters.ccxt import CcxtAdapter
from ringbuf.strategies.orders import OrderPages
from ringbuf.tools.cli import main
from tests.clickhouse.databases import Database
from tests.unit.strategies.ccxt_messages import CREATED_MS, SAVED, order, trade

ODD = [
    order(id="o1", filled=4.0, remaining=6.0, lastTradeTimestamp=CREATED_MS + 5, trades=[trade()]),
    trade(),
    trade(id=None, order="o9", side="sell"),
    trade(id="t9", order=None, amount="0.000000000000000001"),
    trade(id="f1", info={"execType": "Funding"}),
    order(id="o2", status="closed", filled=0.0),
    order(id="o3", status="open", remaining=0.0, triggerPrice=90.0),
    order(id="o4", type="market", price=None, amount=100, filled=0.0016, average=62_000, status="closed"),
    order(id="o5", side="up", amount="12345678901234567.890123456789", status="nonsense"),
    order(id=9_007_199_254_740_993, clientOrderId=None),
    trade(id="t10", order="o3", fee=None, fees=[{"cost": 1, "currency": "A"}, {"cost": "2", "currency": "B"}]),
]


def test_the_database_has_what_the_pages_have(views: Database) -> None:
    draw = random.Random(7)
    with Recorder.open("adapted") as recorder:
        pages = OrderPages(recorder)
        venue = CcxtAdapter(pages, exchange="venue", account="A1", strategy="mm")
        messages: list[Any] = [*(each.parsed for each in SAVED), *ODD]
        messages += draw.choices(messages, k=20)
        draw.shuffle(messages)
        venue.receive(messages)
        assert not venue.refused
        assert pages.refused == 0
        with Observer.open("adapted") as observer:
            views.insert(observer.read(0).records)
    orders = views.rows(
        "SELECT symbol, order_id, client_order_id, order_status, executed_quantity, awaited_quantity, open_quantity"
        f" FROM {views.name()}.orders WHERE order_id != '' OR client_order_id != ''"
    )
    assert sorted(orders) == sorted(
        (
            each.key.symbol,
            each.order_id,
            each.client_order_id,
            each.status.name.lower(),
            each.executed,
            each.awaited,
            each.open,
        )
        for each in pages.inventory.orders()
        if each.order_id or each.client_order_id
    )
    positions = views.rows(f"SELECT symbol, quantity, open_buy, open_sell FROM {views.name()}.positions")
    assert sorted(positions) == sorted(
        (key.symbol, each.quantity, each.open_buy, each.open_sell) for key, each in pages.inventory.positions().items()
    )


def test_what_is_imported_and_was_captured_live_before_counts_once(views: Database, tmp_path: Path) -> None:
    messages = [order(id="o1", filled=4.0, remaining=6.0), trade(order="o1"), trade(id="t2", order="o1", amount=1.0)]
    with Recorder.open("live") as recorder:
        venue = CcxtAdapter(OrderPages(recorder), exchange="gate", account="A1", strategy="mm")
        venue.receive(messages[:2])
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(messages))
    arguments = ["import", str(saved), "--adapter", "ccxt", "--exchange", "gate", "--account", "A1", "--strategy", "mm"]
    for ring in ("first", "again"):
        assert CliRunner().invoke(main, [*arguments, "--ring", ring]).exit_code == 0
    for ring in ("again", "live", "first"):
        with Observer.open(ring) as observer:
            views.insert(observer.read(0).records)
    fills = views.rows(
        f"SELECT trade_id, toString(traded_quantity), copies FROM {views.name()}.fills ORDER BY trade_id"
    )
    assert [*map(tuple, fills)] == [("t1", "4", 3), ("t2", "1", 2)]
    assert views.rows(f"SELECT count() FROM {views.name()}.orders") == [(1,)]
