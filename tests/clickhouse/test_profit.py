"""Profit from the database is that of the strategy and that of worked figures, to the last digit."""

import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ringbuf.errors import RecordError
from ringbuf.query import database as query
from ringbuf.query.questions.course import PositionKey
from ringbuf.query.questions.earned import profits
from ringbuf.query.questions.selection import Selection
from ringbuf.sinks.clickhouse.views.funding import PAYMENTS, funding
from ringbuf.strategies.inventory import Contract, ContractKind, Inventory
from ringbuf.trading.profit import Profit
from tests.clickhouse.databases import ON_SERVER, Database, executions
from tests.clickhouse.test_documented_views import OLD_ANALYZER, OTHERWISE
from tests.clickhouse.test_rules import given, shuffled
from tests.model.venue import random_venue
from tests.unit.trading import worked_figures
from tests.unit.trading.histories import BEGIN_NS, Fields, histories

CASES = worked_figures.cases()
BASE: Fields = {"exchange": "x", "symbol": "s", "origin": "live", "captured_ns": 1, "strategy": "mm"}
INVERSE = Contract(ContractKind.INVERSE, base="B", quote="Q")
FILL: Fields = BASE | {"account": "a", "exec_type": "fill", "side": "buy", "last_price": 100.0, "last_quantity": 1.0}
Known = dict[Any, Any]


def asked(views: Database, settings: str = "") -> query.Database:
    """The database as a reader has it, under a user's settings."""
    return query.Database(views.name(), lambda statement: [views.query_json(f"{statement}{settings}")])


def stored(records: Sequence[Fields]) -> Any:
    """Records that hold decimal texts as well as those of the recorder do."""
    numbers = ("last_price", "last_quantity", "commission")
    rows = [each | {name: float(each[name]) for name in numbers if name in each} for each in records]
    return executions(rows)


def comparable(profit: Profit) -> tuple[Any, ...]:
    """What must be the same on both sides; a sum that is zero may be left out."""
    sums = (
        {currency: paid for currency, paid in each.items() if paid} for each in (profit.commissions, profit.funding)
    )
    return (profit.state, str(profit.state), *sums)


def is_known(profit: Profit) -> bool:
    return comparable(profit)[1:] != ("0 0 0 0 0 0", {}, {})


def of_database(views: Database, contracts: dict[tuple[str, str], Contract]) -> Known:
    found = profits(asked(views), contracts)
    return {
        (key.account, key.position_side, key.position_id): comparable(each) for key, _, each in found if is_known(each)
    }


def compare(views: Database, all_records: Sequence[Sequence[Fields]]) -> None:
    """Each history in an account of its own, in the database and in an inventory; what that refuses is in neither."""
    rows, wanted = [], {}
    contracts = {("x", "s"): INVERSE}
    for number, records in enumerate(all_records):
        inventory = Inventory(lookback=None, instruments=contracts)
        for each in records:
            row = {**BASE, **each, "account": str(number)}
            try:
                inventory.apply(executions([row])[0])
            except RecordError:
                continue
            rows.append(row)
        for key, profit in inventory.profits().items():
            if is_known(profit):
                wanted[key.account, key.position_side, key.position_id] = comparable(profit)
    views.insert(executions(rows, session=1))
    assert wanted
    assert of_database(views, contracts) == wanted


def test_worked_figures_come_out_of_the_database(views: Database) -> None:
    rows = []
    accounts = {str(number): name for number, name in enumerate(CASES)}
    for account, name in accounts.items():
        records = list(worked_figures.records(CASES[name]))
        rows += [each | {"account": account, "symbol": name} for each in (*records[::-1], *records)]
    views.insert(stored(rows))
    contracts = {("sim", name): worked_figures.contract(case) for name, case in CASES.items()}
    found: dict[str, dict[str, Profit]] = {name: {} for name in CASES}
    for key, _, profit in profits(asked(views), contracts):
        found[accounts[key.account]][key.position_side] = profit
    for name, case in CASES.items():
        worked_figures.check(case, found[name])


def test_every_history_earned_the_same_in_the_strategy_and_in_the_database(views: Database) -> None:
    known = [each.records for each in histories().values()]
    draw = random.Random(1)
    seeds = [[*map(given, random_venue(f"profit {number}").arrivals())] for number in range(100)]
    compare(views, [*known, *(shuffled(draw, each) for each in known), *seeds])


def random_records(draw: random.Random) -> list[Fields]:
    """Fills of two position sides in any order, with copies that tell less, busts, corrections and funding."""
    found: list[Fields] = []
    for number in range(draw.randrange(1, 12)):
        price = draw.choice((draw.randrange(1, 9) / 10, draw.randrange(1, 9) / 10, 0.0, -1.0, float("nan"), 1e300))
        fill: Fields = {
            "exec_type": "fill",
            "trade_id": f"t{number}",
            "order_id": f"o{draw.randrange(3)}",
            "side": draw.choice(("buy", "sell")),
            "position_side": draw.choice(("unknown", "long")),
            "last_price": price,
            "last_quantity": draw.randrange(1, 9) / 10,
            "commission": draw.randrange(-5, 9) / 10,
            "commission_currency": draw.choice(("B", "Q")),
        }
        found += [fill | told_by_one(draw) for _ in range(draw.randrange(1, 4))]
        match draw.randrange(9):
            case 0:
                found.append({"exec_type": "trade_cancel", "trade_id": fill["trade_id"]})
            case 1:
                change = {"exec_type": "trade_correct", "last_price": draw.randrange(1, 9) / 10}
                paid = {"commission": draw.randrange(-5, 9) / 10} if draw.random() < 0.5 else {}
                found.append(change | paid | {"trade_id": fill["trade_id"], "last_quantity": float("nan")})
            case 2:
                paid = fill | {"trade_id": draw.choice(("", "NONE", f"f{number}"))}
                kind = draw.choice(({"exec_type": "funding"}, {"trade_type": "funding"}))
                found += [paid | kind | told_by_one(draw) for _ in range(draw.randrange(1, 3))]
    draw.shuffle(found)
    return [each | {"captured_ns": BEGIN_NS + number // 2} for number, each in enumerate(found)]


def told_by_one(draw: random.Random) -> Fields:
    """What one copy may tell otherwise than another."""
    time = {"exchange_ns": BEGIN_NS + draw.randrange(10)} if draw.random() < 0.8 else {}
    seq = {"exchange_seq": draw.randrange(1, 100)} if draw.random() < 0.5 else {}
    less = {"commission": float("nan"), "commission_currency": ""} if draw.random() < 0.2 else {}
    return time | seq | less | {"origin": draw.choice(("live", "live", "lookback"))}


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_in_whatever_order_strategy_and_database_agree(views: Database, seed: int) -> None:
    draw = random.Random(seed)
    compare(views, [random_records(draw) for _ in range(150)])


def test_a_past_moment_has_its_own_fills_and_funding_with_what_is_known_now(views: Database) -> None:
    rows = [
        FILL | {"trade_id": "t1", "exchange_ns": 1_000},
        FILL | {"trade_id": "t2", "exchange_ns": 2_000, "side": "sell", "last_price": 130.0},
        FILL | {"exec_type": "funding", "exchange_ns": 2_001, "commission": 0.5, "commission_currency": "Q"},
        FILL | {"exec_type": "trade_correct", "trade_id": "t1", "exchange_ns": 3_000, "last_price": 110.0},
        FILL | {"exec_type": "fill", "trade_id": "t3", "exchange_ns": 1_500, "origin": "simulated"},
    ]
    views.insert(executions(rows))
    at = {}
    for moment in (999, 1_000, 2_000, 2_001):
        at[moment] = [
            (each.profit.quantity, each.profit.realised, *each.profit.funding.values())
            for each in profits(asked(views), {}, Selection(until_ns=moment + 1))
        ]
    assert at == {999: [], 1_000: [(1, 0)], 2_000: [(0, 20)], 2_001: [(0, 20, 0.5)]}


DAY_NS = 86_400_000_000_000


@ON_SERVER
@pytest.mark.parametrize("profile", ["", f" SETTINGS {OTHERWISE}"], ids=["usual", "otherwise"])
def test_a_period_has_what_was_earned_in_it_and_each_day_its_own(views: Database, profile: str) -> None:
    if profile:
        profile = f"{profile}, {OLD_ANALYZER}"
    trades = [("buy", 1.0, 100.0, 0), ("sell", 0.5, 120.0, 0), ("sell", 1.0, 140.0, 2), ("buy", 0.5, 100.0, 5)]
    rows = [
        FILL
        | {"trade_id": f"t{number}", "side": side, "last_quantity": quantity, "last_price": price, "commission": 1.0}
        | {"exchange_ns": BEGIN_NS + day * DAY_NS + number, "commission_currency": "Q"}
        for number, (side, quantity, price, day) in enumerate(trades)
    ]
    paid = FILL | {"exec_type": "funding", "commission": 0.25, "commission_currency": "Q"}
    views.insert(executions([*rows, *(paid | {"exchange_ns": BEGIN_NS + day * DAY_NS} for day in (0, 1, 2, 7))]))
    spot = {("x", "s"): Contract(base="B", quote="Q")}

    def told(selection: Selection | None = None, *, by_day: bool = False) -> list[tuple[Any, ...]]:
        return [
            (day, profit.quantity, profit.realised, profit.commissions.get("Q", 0), profit.funding.get("Q", 0))
            for _, day, profit in profits(asked(views, profile), spot, selection, by_day=by_day)
        ]

    assert told() == [("", 0, 10 + 20 + 20, 4, 1)]
    days = [f"2026-{month:02}-{day:02}" for month, day in ((9, 21), (9, 22), (9, 23), (9, 26), (9, 28))]
    by_day = [
        (days[0], Decimal("0.5"), 10, 2, 0.25),
        (days[1], Decimal("0.5"), 0, 0, 0.25),
        (days[2], Decimal("-0.5"), 20, 1, 0.25),
        (days[3], 0, 20, 1, 0),
        (days[4], 0, 0, 0, 0.25),
    ]
    assert told(by_day=True) == by_day
    second = Selection(since_ns=BEGIN_NS + DAY_NS, until_ns=BEGIN_NS + 3 * DAY_NS)
    assert told(second, by_day=True) == by_day[1:3]
    assert told(second) == [("", Decimal("-0.5"), 20, 1, 0.5)]
    (earned,) = profits(asked(views), spot, second)
    assert earned.profit.wallet == {"B": -1, "Q": Fraction(140) - 1 - Fraction("0.5")}
    assert told(Selection(since_ns=BEGIN_NS + 8 * DAY_NS)) == []


def test_positions_are_those_of_strategies_and_filters_choose_them(views: Database) -> None:
    rows = [FILL | {"strategy": name, "trade_id": name, "symbol": symbol} for name in "ab" for symbol in ("s", "t")]
    funding = FILL | {"strategy": "c", "exec_type": "funding", "commission": 1.0, "position_side": "short"}
    views.insert(executions([*rows, funding]))
    keys = [each.key for each in profits(asked(views), {}, Selection(symbol=["s"]))]
    assert keys == [
        PositionKey("x", "a", "s", "", "", "a"),
        PositionKey("x", "a", "s", "", "", "b"),
        PositionKey("x", "a", "s", "short", "", "c"),
    ]


@pytest.mark.parametrize("few", [0, 1_000], ids=["in the database", "by the rules"])
def test_funding_is_listed_once_with_exact_amounts(views: Database, few: int) -> None:
    paid = FILL | {"exec_type": "funding", "commission": 0.1, "commission_currency": "Q", "exchange_ns": 5}
    copy = paid | {"origin": "lookback", "captured_ns": 0, "strategy": "other"}
    views.insert(
        executions([copy, paid, paid | {"trade_id": "f"}, paid | {"exchange_ns": 0}, paid | {"exchange_ns": 0}]),
        few=few,
    )
    columns = "trade_id, strategy, toString(commission), commission_currency, copies, position_side"
    query = f"SELECT {columns} FROM {views.name()}.funding_payments ORDER BY session, seq"
    columns, name = ", ".join(PAYMENTS), views.name()
    reckoned = f"SELECT {columns} FROM ({funding(f'{name}.executions')}) ORDER BY session, seq"
    assert views.rows(f"SELECT {columns} FROM {name}.funding_payments ORDER BY session, seq") == views.rows(reckoned)
    alone = ("", "mm", "0.1", "Q", 1, "unknown")
    assert views.rows(query) == [
        ("", "mm", "0.1", "Q", 2, "unknown"),
        ("f", "mm", "0.1", "Q", 1, "unknown"),
        alone,
        alone,
    ]
