"""NautilusTrader's example strategies in its own backtests: our fills, orders, positions and profit are its reports'.

The runs are in `tests.nautilus.runs`. NautilusTrader rounds what each fill realises to the decimals of the currency,
and reckons it in binary floating point. So figures of money may differ by half a unit of these decimals for each fill,
and averages by what a float holds. All else agrees exactly.
"""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.ring.registry import NAMESPACE_VARIABLE
from ringbuf.strategies.adapters.nautilus_events import money, position_of
from tests.checkout import ROOT
from tests.command import ringbuf
from tests.writer_process import WriterProcess

pytest.importorskip("nautilus_trader", reason="NautilusTrader is not installed")

Row = dict[str, Any]
RUNS: Final = [
    "netting", "ids of the venue", "hedge mode", "spot", "inverse", "bracket", "emulated", "stop entry", "algorithm",
    "market maker", "desk",
]  # fmt: skip
TURNED: Final = frozenset({"stop entry", "market maker", "desk"})
"""Runs in which a fill closes a position and opens it on the other side. In netting such positions are not in
NautilusTrader's report: it keeps the last one only."""
STATUSES: Final = {"INITIALIZED": "pending_new", "ACCEPTED": "new"}
"""The others are the same words."""
OVER: Final = frozenset({"FILLED", "CANCELED", "REJECTED", "DENIED", "EXPIRED"})
ORDER_TYPES: Final = {
    "MARKET": "market",
    "LIMIT": "limit",
    "STOP_MARKET": "stop",
    "STOP_LIMIT": "stop_limit",
    "MARKET_IF_TOUCHED": "take_profit",
    "LIMIT_IF_TOUCHED": "take_profit_limit",
    "TRAILING_STOP_MARKET": "trailing_stop",
}


class Told:
    """What NautilusTrader, the strategy and the database say of a run."""

    def __init__(self, run: Row, questions: dict[str, list[Row]]) -> None:
        self.run = run
        self.inventory: dict[str, list[Row]] = run["inventory"]
        self.database = {
            name: [row for row in rows if row["account"] == run["account"]] for name, rows in questions.items()
        }
        (instrument,) = run["instruments"]
        self.unit = Decimal(1).scaleb({"USD": -2}.get(instrument["settle"], -8))

    @property
    def moments(self) -> Iterator[tuple[Row, Row, Row]]:
        """Each event of a position, what the inventory knew then, and the position's key."""
        for each in self.run["moments"]:
            event = each["event"]
            where = position_of(event["position_id"], event["instrument_id"], event["strategy_id"])
            yield event, each["inventory"], where


@pytest.fixture(scope="module")
def all_told(clickhouse_server: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Told]]:
    """All runs, recorded by one process, and brought into the database by a writer."""
    directory, database = tmp_path_factory.mktemp("nautilus"), f"test_{uuid4().hex[:16]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAMESPACE_VARIABLE, database)
        runs = _recorded(clickhouse_server, database, directory)
        questions = {name: _asked(directory, name) for name in ("fills", "orders", "positions")}
        instruments = directory / "instruments.csv"
        questions["profit"] = _asked(directory, "profit", "--instruments", str(_written(instruments, runs)))
        yield {run["name"]: Told(run, questions) for run in runs}
        assert ringbuf("rm", "nautilus").returncode == 0
    with clickhouse_server.client() as client:
        client.command(f"DROP DATABASE IF EXISTS {database} SYNC")


def _recorded(server: ClickHouse, database: str, directory: Path) -> list[Row]:
    with WriterProcess(directory, "--clickhouse", server.url, "--database", database) as writer:
        writer.wait_running()
        program = [sys.executable, "-m", "tests.nautilus.runs", "nautilus"]
        printed = subprocess.run(program, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        writer.stop()
    runs: list[Row] = json.loads(printed, parse_float=Decimal)
    return runs


def _asked(directory: Path, *question: str) -> list[Row]:
    answer = ringbuf(*question, "--json", "--data-dir", str(directory))
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line, parse_float=Decimal) for line in answer.stdout.splitlines()]


def _written(path: Path, runs: list[Row]) -> Path:
    rows = {(row["exchange"], row["symbol"]): row for run in runs for row in run["instruments"]}
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=[*next(iter(rows.values()))])
        table.writeheader()
        table.writerows(rows.values())
    return path


def test_every_run_is_compared_and_nothing_was_lost_or_told_to_a_strategy_first(all_told: dict[str, Told]) -> None:
    assert [*all_told] == RUNS
    assert [each.run["lost"] for each in all_told.values()] == [[{}, 0, 0, 0, []]] * len(RUNS)


def test_fills_are_those_of_its_report(all_told: dict[str, Told]) -> None:
    for told in all_told.values():
        theirs = {
            row["trade_id"]: (
                row["client_order_id"],
                row["venue_order_id"],
                row["strategy_id"],
                row["instrument_id"].rpartition(".")[0],
                row["order_side"].lower(),
                ORDER_TYPES[row["order_type"]],
                row["liquidity_side"].lower(),
                _ns(row["ts_event"]),
                Decimal(row["last_px"]),
                Decimal(row["last_qty"]),
                *money(row["commission"]),
                position_of(row["position_id"], row["instrument_id"], row["strategy_id"]),
            )
            for row in told.run["fills"]
        }
        assert {row["trade_id"]: _fill(row) for row in _whole(told.database["fills"])} == theirs


def _fill(row: Row) -> tuple[Any, ...]:
    names = "client_order_id", "order_id", "strategy", "symbol", "side", "order_type", "liquidity", "exchange_ns"
    numbers = (Decimal(row[name]) for name in ("last_price", "last_quantity", "commission"))
    return (*(row[name] for name in names), *numbers, row["commission_currency"], _position(row))


def _whole(fills: Iterable[Row]) -> Iterator[Row]:
    """Fills, and of one that NautilusTrader itself splits between two positions the whole, as its report has it."""
    parts: dict[str, Row] = {}
    for row in fills:
        trade_id = row["trade_id"].removesuffix("-F")
        if trade_id not in parts:
            parts[trade_id] = dict(row)
            continue
        for name in ("last_quantity", "commission"):
            parts[trade_id][name] = Decimal(parts[trade_id][name]) + Decimal(row[name])
    yield from parts.values()


def test_orders_are_those_of_its_report(all_told: dict[str, Told]) -> None:
    for told in all_told.values():
        theirs = {
            row["client_order_id"]: (
                row["side"].lower(),
                STATUSES.get(row["status"], row["status"].lower()),
                Decimal(row["quantity"]),
                Decimal(row["filled_qty"]),
                Decimal(row["quantity"]) - Decimal(row["filled_qty"]) if row["status"] not in OVER else 0,
            )
            for row in told.run["orders"]
        }
        names = "quantity", "executed_quantity", "open_quantity"
        ours = {
            row["client_order_id"]: (row["side"], row["order_status"], *(Decimal(row[name]) for name in names))
            for row in told.database["orders"]
        }
        assert ours == theirs
        names = "quantity", "executed", "open"
        pages = {
            row["client_order_id"]: (row["side"], row["status"], *(Decimal(row[name]) for name in names))
            for row in told.inventory["orders"]
        }
        assert pages == theirs


def test_ids_types_and_prices_of_orders_are_those_of_its_report(all_told: dict[str, Told]) -> None:
    """It leaves out the venue's id of what the venue never accepted. A limit that was taken away stays in our order."""
    for told in all_told.values():
        ours = {row["client_order_id"]: row for row in told.database["orders"]}
        pages = {row["client_order_id"]: row for row in told.inventory["orders"]}
        for row in told.run["orders"]:
            order = ours[row["client_order_id"]]
            assert order["order_type"] == ORDER_TYPES[row["type"]]
            assert row["venue_order_id"] in (None, order["order_id"])
            assert pages[row["client_order_id"]]["order_id"] == order["order_id"]
            if isinstance(row.get("price"), str):
                assert Decimal(str(order["price"])) == Decimal(row["price"])


def test_positions_are_those_of_its_report(all_told: dict[str, Told]) -> None:
    for told in all_told.values():
        held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in told.run["positions"]:
            if not row["is_snapshot"]:
                where = position_of(row["position_id"], row["instrument_id"], row["strategy_id"])
                sign = -1 if row["side"] == "SHORT" else 1
                held[where.get("position_side", ""), where.get("position_id", "")] += sign * Decimal(row["quantity"])
        ours = {_key(row): Decimal(row["quantity"]) for row in told.database["positions"]}
        assert {key: quantity for key, quantity in ours.items() if quantity} == {
            key: quantity for key, quantity in held.items() if quantity
        }
        assert held.keys() <= ours.keys()
        columns = ("quantity", "open_buy", "open_sell")
        in_strategy = {_key(row): [Decimal(row[name]) for name in columns] for row in told.inventory["positions"]}
        in_database = {_key(row): [Decimal(row[name]) for name in columns] for row in told.database["positions"]}
        assert {key: each for key, each in in_strategy.items() if any(each)} == {
            key: each for key, each in in_database.items() if any(each)
        }


def test_after_each_of_its_events_of_a_position_the_inventory_holds_what_it_holds(all_told: dict[str, Told]) -> None:
    """And it earned the same, commissions in the currency of profit taken off, as in NautilusTrader's realized_pnl."""
    for told in all_told.values():
        (instrument,) = told.run["instruments"]
        earned: defaultdict[str, Decimal] = defaultdict(Decimal)  # what is closed
        fills: defaultdict[str, int] = defaultdict(int)
        moments = [*told.moments]
        assert len(moments) > 3
        is_half_told = [
            this["type"] == "PositionClosed" and following["type"] == "PositionOpened" and before == after
            for (this, before, _), (following, after, _) in pairwise(moments)
        ]
        for (event, inventory, where), is_half in zip(moments, [*is_half_told, False], strict=True):
            key = str(sorted(where.items()))
            realised, currency = money(event["realized_pnl"])
            assert realised is not None
            assert currency == instrument["settle"]
            fills[key] += 1
            now = earned[key] + realised
            if event["type"] == "PositionClosed":
                earned[key] = now
            if is_half:
                continue  # the same fill opens it on the other side, and the inventory knows all of it already
            assert Decimal(inventory["quantity"]) == Decimal(str(event["signed_qty"]))
            commission = Decimal(inventory["commissions"].get(currency, 0))
            ours = Decimal(inventory["realised"]) - commission
            assert abs(ours - now) <= fills[key] * told.unit / 2 + Decimal("1e-9")
            if event["type"] != "PositionClosed":
                assert float(inventory["average_entry"]) == pytest.approx(float(event["avg_px_open"]), rel=1e-12)


def test_profit_of_the_database_is_that_of_the_inventory(all_told: dict[str, Told]) -> None:
    for told in all_told.values():
        columns = ("quantity", "average_entry", "realised", "commissions")
        in_database = {
            _key(row): [_number(row[name]) if name != "commissions" else _numbers(row[name]) for name in columns]
            for row in told.database["profit"]
        }
        in_strategy = {
            _key(row): [_number(row[name]) if name != "commissions" else _numbers(row[name]) for name in columns]
            for row in told.inventory["positions"]
        }
        assert {key: each for key, each in in_strategy.items() if key in in_database} == in_database
        others = [each for key, each in in_strategy.items() if key not in in_database]
        assert all(each == [0, None, 0, {}] for each in others), "only what orders were sent for that nobody filled"


def test_each_closed_position_realised_in_the_database_what_its_report_says(all_told: dict[str, Told]) -> None:
    """By `realized_pnl` of the fills, exactly: it is what NautilusTrader says of the position, taken apart by fills."""
    for told in all_told.values():
        if told.run["name"] in TURNED:
            continue
        theirs = defaultdict(list)
        for row in sorted(told.run["positions"], key=lambda each: each["ts_init"]):
            where = position_of(_without_snapshot(row), row["instrument_id"], row["strategy_id"])
            theirs[str(sorted(where.items()))].append(money(row["realized_pnl"])[0])
        ours = defaultdict(list)
        held: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in told.database["fills"]:
            key = str(sorted(_position(row).items()))
            if not held[key]:
                ours[key].append(Decimal(0))
            ours[key][-1] += Decimal(str(row["realized_pnl"]))
            held[key] += (1 if row["side"] == "buy" else -1) * Decimal(row["last_quantity"])
            assert Decimal(str(row["venue_position"])) == held[key]
            assert row["text"].startswith("Position")
        rounded = {key: [each.quantize(told.unit) for each in cycles] for key, cycles in ours.items()}
        assert rounded == theirs


def _without_snapshot(row: Row) -> str:
    """The id of a position; one that was opened once more has a UUID behind it in the report."""
    name: str = row["position_id"]
    return name[:-37] if row["is_snapshot"] else name


def _ns(text: str) -> int:
    moment = datetime.fromisoformat(text)
    assert not moment.microsecond, "the quotes come at whole seconds"
    return int(moment.timestamp()) * 1_000_000_000


def _position(row: Row) -> Row:
    side, position_id = _key(row)
    return ({"position_side": side} if side else {}) | ({"position_id": position_id} if position_id else {})


def _key(row: Row) -> tuple[str, str]:
    return "" if row["position_side"] == "unknown" else row["position_side"], row["position_id"]


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _numbers(amounts: Row) -> dict[str, Decimal]:
    return {name: Decimal(amount) for name, amount in amounts.items()}
