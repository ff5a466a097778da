"""`ringbuf profit`: what is printed, from instruments in the database and in a file."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from ringbuf.query.questions.profit import COLUMNS, profit
from ringbuf.query.questions.selection import Selection
from ringbuf.record.enumerations import ContractKind
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.trading.contract import Contract
from tests.clickhouse.databases import Database, executions
from tests.clickhouse.test_instruments import store as store_contracts
from tests.clickhouse.test_profit import asked
from tests.clickhouse.test_tools_questions import BEGIN_NS, answered
from tests.command import ringbuf

INVERSE = Contract(ContractKind.INVERSE, base="BTC", quote="USD")
FILL = {"exec_type": "fill", "exchange": "bybit", "account": "A1", "strategy": "mm", "symbol": "BTCUSD", "side": "buy"}
PAID = {"commission": 0.25, "commission_currency": "BTC"}
TRADES = [
    {"last_quantity": 10000.0, "last_price": 8000.0, "trade_id": "t1", "exchange_ns": BEGIN_NS},
    {"last_quantity": 4000.0, "last_price": 12500.0, "trade_id": "t2", "exchange_ns": BEGIN_NS + 1, "side": "sell"},
    {"last_quantity": 3000.0, "last_price": 9000.0, "trade_id": "t3", "exchange_ns": BEGIN_NS + 10**14, "side": "sell"},
]


@pytest.fixture
def store(ready: Database) -> Database:
    """A database with some fills of an inverse contract, and of another that nobody specified."""
    other = {"symbol": "ETH", "last_quantity": 3.0, "last_price": 0.5, "trade_id": "e1"}
    ready.insert(executions([*(FILL | PAID | each for each in TRADES), FILL | other]))
    return ready


def test_profit_is_printed_as_table_csv_and_json(store: Database) -> None:
    store_contracts(store, {("bybit", "BTCUSD"): INVERSE})
    title, row, unknown = answered("profit", "--mark", "BTCUSD=10000").splitlines()
    assert title.split()[6:11] == ["QUANTITY", "ENTRY", "REALISED", "UNREALISED", "CURRENCY"]
    figures = ["3000", "8000", "0.221666666667", "0.075", "BTC", "0.75", "BTC", "-", "-"]
    assert row.split() == ["bybit", "A1", "BTCUSD", "-", "-", "mm", *figures]
    assert unknown.endswith("unknown instrument: spot")
    by_json = [json.loads(line) for line in answered("profit", "--json").splitlines()]
    assert [*by_json[0]] == [name for name in COLUMNS if name != "day"]
    assert by_json[0]["realised"] == "0.2216" + "6" * 55 + "7"
    assert by_json[0]["state"] == "3000 -3/8 179/300 0 0 0"
    assert by_json[0]["commissions"] == {"BTC": "0.75"}
    assert (by_json[0]["position_side"], by_json[0]["unrealised"]) == ("unknown", None)
    assert (by_json[1]["is_specified"], by_json[1]["kind"], by_json[1]["wallet"]) == (False, "spot", {})
    by_csv = list(csv.DictReader(io.StringIO(answered("profit", "--csv"))))
    assert [each["realised"] for each in by_csv] == [each["realised"] for each in by_json]
    assert by_csv[0]["venue_realised"] == ""


def test_filters_periods_and_days_choose_what_is_shown(store: Database, tmp_path: Path) -> None:
    file = tmp_path / "instruments.csv"
    file.write_text("exchange,symbol,kind,base\nbybit,BTCUSD,inverse,BTC\n")
    days = answered("profit", "--by-day", "--symbol", "BTC*", "--instruments", str(file), "--json").splitlines()
    told = [(each["day"], each["quantity"], Decimal(each["realised"])) for each in map(json.loads, days)]
    assert told == [
        ("2026-07-01", "6000", Decimal("0.18")),
        ("2026-07-02", "3000", Decimal("0.041" + "6" * 56 + "7")),
    ]
    since = answered("profit", "--since", "2026-07-02", "--instruments", str(file)).splitlines()
    assert len(since) == 2
    assert since[1].split()[6:9] == ["3000", "8000", "0.041666666667"]
    assert answered("profit", "--symbol", "nothing") == "(no positions)\n"
    assert answered("profit", "--symbol", "nothing", "--json") == ""


def test_the_answer_in_python_takes_the_recorded_instruments_and_goes_on_by_day(views: Database) -> None:
    views.insert(executions([FILL | each for each in TRADES]))
    store_contracts(views, {("bybit", "BTCUSD"): INVERSE})
    ((first, second),) = profit(asked(views), Selection(symbol=["BTCUSD"]), by_day=True).written_rows()
    assert (first["currency"], first["is_specified"], second["kind"]) == ("BTC", True, "inverse")
    views.command(f"DROP TABLE {views.name()}.{INSTRUMENTS.name} SYNC")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--mark", "BTCUSD"], "'BTCUSD' is no mark; give SYMBOL=PRICE, as BTCUSD=64000.5"),
        (["--mark", "BTCUSD=high"], "'BTCUSD=high' is no mark"),
        (["--mark", "A=1", "--mark", "B=2", "--mark", "A=3"], "--mark gives 'A' two prices"),
        (["--csv", "--json"], "--csv and --json exclude each other"),
        (["--instruments", "/nothing"], "No such file or directory"),
    ],
)
def test_wrong_options_are_named(store: Database, options: list[str], told: str) -> None:
    run = ringbuf("profit", *options)
    assert (run.returncode, run.stdout) == (2, "")
    assert told in run.stderr


def test_a_mark_that_gives_an_instrument_no_value_is_a_problem(store: Database, tmp_path: Path) -> None:
    file = tmp_path / "instruments.csv"
    file.write_text("exchange,symbol,kind,base\nbybit,BTCUSD,inverse,BTC\n")
    run = ringbuf("profit", "--mark", "BTCUSD=0", "--instruments", str(file))
    assert (run.returncode, run.stdout) == (1, "")
    assert "a mark of 0 gives inverse contracts no value" in run.stderr
