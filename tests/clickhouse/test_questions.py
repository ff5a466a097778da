"""The everyday questions, asked in Python: the answers are exact, and the filters find what they name."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.query.database import Database as Asked
from ringbuf.query.questions.answer import Answer
from ringbuf.query.questions.fees import fees
from ringbuf.query.questions.fills import fills
from ringbuf.query.questions.orders import orders
from ringbuf.query.questions.positions import positions
from ringbuf.query.questions.profit import profit
from ringbuf.query.questions.selection import Selection
from ringbuf.record.enumerations import ContractKind
from ringbuf.record.salvage import stored_text
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS, POSITIONS
from ringbuf.trading.contract import Contract
from tests.clickhouse.databases import ON_SERVER, Database
from tests.clickhouse.test_views import FILL, ORDER, record

BEGIN_NS = 1_782_907_200_000_000_000
AMOUNT = "1.123456789012345678"
QUESTIONS: dict[str, Callable[[Asked, Selection], Answer]] = {
    "fills": lambda database, selection: fills(database, selection),
    "last fills": lambda database, selection: fills(database, selection, last=100),
    "orders": lambda database, selection: orders(database, selection),
    "positions": lambda database, selection: positions(database, selection),
    "positions at": lambda database, selection: positions(database, selection, BEGIN_NS),
    "fees": lambda database, selection: fees(database, selection),
}


@pytest.fixture
def asked(views: Database) -> Asked:
    """The database with its views, for who only reads."""
    return Asked(views.name(), lambda statement: [views.query_json(statement)])


def names(rows: Iterable[dict[str, Any]], column: str = "trade_id") -> list[Any]:
    return [row[column] for row in rows]


# Rows


def test_every_column_of_a_fill_is_exact_in_python_and_in_json(views: Database, asked: Asked) -> None:
    big = {"last_quantity": float(AMOUNT), "commission": -float(AMOUNT), "exact": f"q={AMOUNT};f=-{AMOUNT};P=7.10"}
    record(
        views, {**FILL, **big, "exchange_ns": BEGIN_NS + 1, "price": 7.1, "quantity": 1e-8, "stop_price": float("inf")}
    )
    (row,) = fills(asked)
    assert list(row) == list(FILLS)
    assert (row["last_quantity"], row["traded_quantity"], row["commission"]) == (
        Decimal(AMOUNT), Decimal(AMOUNT), -Decimal(AMOUNT),
    )  # fmt: skip
    assert (row["price"], row["quantity"], row["stop_price"]) == (Decimal("7.1"), Decimal("1e-8"), Decimal("inf"))
    assert (row["average_price"], row["other_commission_paid"]) == (None, None)
    assert (row["exchange_ns"], row["captured_ns"], row["market_ns"]) == (BEGIN_NS + 1, 1_000, 0)
    assert (row["simulated"], row["corrected"], row["copies"], row["side"]) == (False, False, 1, "buy")
    ((line,),) = fills(asked).lines()
    written = json.loads(line)
    assert list(written) == list(FILLS)
    assert (written["last_quantity"], written["price"], written["stop_price"]) == (AMOUNT, "7.1", "inf")
    assert (written["quantity"], written["average_price"], written["exchange_ns"]) == ("0.00000001", None, BEGIN_NS + 1)
    assert written["corrected"] is False
    assert written["traded_quote"] == str((Decimal(AMOUNT) * Decimal("60000.5")).normalize())


def test_a_corrected_fill_shows_the_numbers_of_the_correction(views: Database, asked: Asked) -> None:
    correction = {**FILL, "exec_type": "trade_correct", "last_quantity": 0.25, "last_price": 5.0}
    record(views, {**FILL, "last_quantity": float(AMOUNT), "exact": f"q={AMOUNT};Q=9.99"}, correction)
    (row,) = fills(asked)
    assert (row["last_quantity"], row["last_price"], row["corrected"]) == (Decimal("0.25"), Decimal(5), True)


def test_a_text_that_is_not_of_this_number_is_not_shown_as_it(views: Database, asked: Asked) -> None:
    """`exact` may be of another copy than the number."""
    record(views, {**ORDER, "quantity": float(AMOUNT), "exact": f"Q={AMOUNT}"}, {**ORDER, "quantity": 2.5, "seq": 1})
    (row,) = orders(asked)
    assert row["quantity"] == Decimal("2.5")


def test_every_column_of_orders_and_positions_is_exact(views: Database, asked: Asked) -> None:
    record(
        views, {**ORDER, "order_status": "new", "quantity": float(AMOUNT), "exact": f"Q={AMOUNT}", "order_id": "o-1"}
    )
    record(
        views, {**FILL, "last_quantity": 0.1, "client_order_id": "c-1", "commission": 1e-9, "commission_currency": "€"}
    )
    (order,) = orders(asked)
    assert list(order) == list(ORDERS)
    assert (order["quantity"], order["executed_quantity"]) == (Decimal(AMOUNT), Decimal("0.1"))
    assert order["open_quantity"] == Decimal(AMOUNT) - Decimal("0.1")
    (position,) = positions(asked)
    assert list(position) == list(POSITIONS)
    assert position["strategy"] == "mm"
    assert position["open_buy"] == Decimal(AMOUNT) - Decimal("0.1")
    assert (position["quantity"], position["bought_quote"], position["commissions"]) == (
        Decimal("0.1"), Decimal("6000.05"), {"€": Decimal("1e-9")},
    )  # fmt: skip


# Names and time


@ON_SERVER
def test_names_are_found_whole_and_by_pattern(views: Database, asked: Asked) -> None:
    symbols = ["BTC-1", "BTC_1", "ETH-1", "eth-1", "B", "100%"]
    record(views, *({**FILL, "symbol": symbol, "trade_id": symbol} for symbol in symbols))

    def found(*patterns: str) -> set[str]:
        return set(names(fills(asked, Selection(symbol=patterns))))

    assert found("BTC-1") == {"BTC-1"}
    assert found("BTC*") == {"BTC-1", "BTC_1"}
    assert found("BTC_*") == {"BTC_1"}
    assert found("*-1") == {"BTC-1", "ETH-1", "eth-1"}
    assert found("?") == {"B"}
    assert found("100%") == found("1?0%") == {"100%"}
    assert found("ETH*", "B") == {"ETH-1", "B"}
    assert found("nothing", r"\*") == set()


@ON_SERVER
def test_a_name_that_is_too_long_for_a_record_is_found_as_it_was_given(views: Database, asked: Asked) -> None:
    long = {name: f"{name}-" + "7" * 77 for name in ("exchange", "account", "symbol", "strategy", "order_id")}
    stored = {name: stored_text(name, text) for name, text in long.items()}
    record(views, {**FILL, **stored}, FILL)
    order_id = long.pop("order_id")
    patterns: dict[str, Any] = {name: [text] for name, text in long.items()}
    assert names(fills(asked, Selection(**patterns)), "symbol") == [stored["symbol"]]
    assert names(orders(asked, any_id=order_id), "symbol") == [stored["symbol"]]
    contract = Contract(ContractKind.LINEAR, Decimal(10), quote="USD")
    contracts, marks = {(long["exchange"], long["symbol"]): contract}, {long["symbol"]: Decimal("60001.5")}
    (earned,) = profit(asked, Selection(symbol=[long["symbol"]]), contracts=contracts, marks=marks)
    assert (earned["currency"], earned["is_specified"], earned["unrealised"]) == ("USD", True, 1)


@ON_SERVER
@pytest.mark.parametrize("name", ["exchange", "account", "symbol", "strategy"])
def test_each_name_narrows_down_each_question(views: Database, asked: Asked, name: str) -> None:
    paid = {"exchange_ns": BEGIN_NS, "commission": 1.0}
    patterns: dict[str, Any] = {name: ["an?ther"]}
    record(views, {**FILL, **paid}, {**FILL, **paid, "trade_id": "t-2", "order_id": "o-2", name: "another"})
    for question, ask in QUESTIONS.items():
        rows = list(ask(asked, Selection(**patterns)))
        assert len(rows) == 1, question
        assert rows[0].get(name, "another") == "another", question


@ON_SERVER
def test_a_period_has_its_beginning_and_not_its_end(views: Database, asked: Asked) -> None:
    times = [BEGIN_NS - 1, BEGIN_NS, BEGIN_NS + 1, BEGIN_NS + 2]
    record(views, *({**FILL, "trade_id": str(each - BEGIN_NS), "exchange_ns": each, "commission": 1} for each in times))
    for without in times:  # no venue time: that of capture counts
        bare = {**FILL, "trade_id": f"c{without - BEGIN_NS}", "captured_ns": without, "commission": 1}
        record(views, bare)
    for since, until, wanted in [
        (BEGIN_NS, BEGIN_NS + 2, ["0", "1"]),
        (BEGIN_NS, None, ["0", "1", "2"]),
        (None, BEGIN_NS, ["-1"]),
        (None, None, ["-1", "0", "1", "2"]),
    ]:
        selection = Selection(since_ns=since, until_ns=until)
        found = names(fills(asked, selection))
        assert sorted(found) == sorted([*wanted, *(f"c{each}" for each in wanted)])
        assert [each.strip("c") for each in found] == sorted([*wanted, *wanted], key=int), "in the order of time"
        assert [row["amount"] for row in fees(asked, selection, ["exchange"])] == [2 * len(wanted)]


def test_the_last_fills_are_the_latest_whatever_tells_their_time(views: Database, asked: Asked) -> None:
    record(views, *({**FILL, "trade_id": str(each), "exchange_ns": BEGIN_NS + each} for each in (3, 1, 4, 2)))
    record(views, {**FILL, "trade_id": "5", "captured_ns": BEGIN_NS + 5}, {**FILL, "trade_id": "0"})
    assert names(fills(asked, last=3)) == ["3", "4", "5"]
    assert names(fills(asked, Selection(until_ns=BEGIN_NS + 4), last=2)) == ["2", "3"]
    assert names(fills(asked, last=0)) == []


def test_open_orders_are_those_that_work_or_may_still_trade(views: Database, asked: Asked) -> None:
    states = ["new", "pending_new", "partially_filled", "pending_cancel", "suspended", "unknown"]
    ended = ["filled", "canceled", "rejected", "expired", "replaced", "denied", "done_for_day"]
    for status in (*states, *ended):
        each = {**ORDER, "exec_type": "order_status", "order_status": status}
        record(views, {**each, "client_order_id": status})
        record(views, {**each, "client_order_id": f"sized {status}", "quantity": 2.0, "symbol": "sized"})
    goes_on = {"exec_type": "order_status", "order_status": "done_for_day", "quantity": 2.0, "leaves_quantity": 1.0}
    awaited = {"exec_type": "order_status", "order_status": "filled", "quantity": 2.0, "cumulative_quantity": 2.0}
    record(
        views, {**ORDER, **goes_on, "client_order_id": "goes on"}, {**ORDER, **awaited, "client_order_id": "awaited"}
    )
    found = set(names(orders(asked, is_open=True), "client_order_id"))
    of_no_size = set(states) - {"unknown"}
    assert found == of_no_size | {f"sized {status}" for status in states} | {"goes on"}


def test_an_order_is_found_by_either_id(views: Database, asked: Asked) -> None:
    record(views, {**ORDER, "order_id": "o-1"}, {**ORDER, "order_id": "o-2", "client_order_id": "c'2"})
    assert names(orders(asked, any_id="o-1"), "client_order_id") == ["c-1"]
    assert names(orders(asked, any_id="c'2"), "order_id") == ["o-2"]
    assert names(orders(asked, any_id="o-3"), "order_id") == []


def test_an_order_that_was_replaced_is_found_under_each_client_id_it_had(views: Database, asked: Asked) -> None:
    """As FIX and many venues amend: the order goes on under another client id, and perhaps under another order id."""
    new = {**ORDER, "order_status": "new", "quantity": 2.0}
    replaced = {**new, "exec_type": "replaced", "client_order_id": "c-2", "orig_client_order_id": "c-1"}
    record(views, {**new, "order_id": "same"}, {**replaced, "order_id": "same"})
    record(views, {**new, "order_id": "old", "symbol": "another"}, {**replaced, "order_id": "new", "symbol": "another"})
    record(views, {**new, "order_id": "id:same", "client_order_id": "id:c-1"})
    for is_open in (False, True):
        found = {id_: {*names(orders(asked, is_open=is_open, any_id=id_), "order_id")} for id_ in ("c-1", "c-2")}
        assert found == {"c-1": {"same", "new"} | ({"old"} if not is_open else set()), "c-2": {"same", "new"}}
    assert names(orders(asked, any_id="same"), "client_order_id") == ["c-2"]
    assert names(orders(asked, any_id="id:same"), "client_order_id") == ["id:c-1"]


def test_orders_are_in_a_period_by_their_last_report(views: Database, asked: Asked) -> None:
    record(views, {**ORDER, "exchange_ns": BEGIN_NS}, {**ORDER, "exchange_ns": BEGIN_NS + 5, "exec_type": "canceled"})
    record(views, {**ORDER, "client_order_id": "c-2", "captured_ns": BEGIN_NS + 9})
    assert names(orders(asked, Selection(since_ns=BEGIN_NS + 5)), "client_order_id") == ["c-1", "c-2"]
    assert names(orders(asked, Selection(until_ns=BEGIN_NS + 6)), "client_order_id") == ["c-1"]
    assert names(orders(asked, Selection(until_ns=BEGIN_NS + 5)), "client_order_id") == []


# Sums


def random_fills(draw: random.Random, number: int) -> list[dict[str, Any]]:
    return [
        {
            **FILL,
            "trade_id": f"t-{place}",
            "order_id": f"o-{place}",
            "side": draw.choice(["buy", "sell"]),
            "strategy": draw.choice(["a", "b"]),
            "last_quantity": draw.randrange(1, 10**6) / 10**5,
            "commission": draw.randrange(-100, 100) / 10**4,
            "commission_currency": draw.choice(["USDT", "BTC"]),
            draw.choice(["exchange_ns", "captured_ns"]): BEGIN_NS + draw.randrange(10),
        }
        for place in range(number)
    ]


def test_positions_at_a_moment_are_the_sums_of_the_fills_up_to_it(views: Database, asked: Asked) -> None:
    rows = random_fills(random.Random(5), 300)
    record(views, *rows)
    for at_ns in (BEGIN_NS - 1, BEGIN_NS, BEGIN_NS + 4, BEGIN_NS + 9, BEGIN_NS + 100):
        wanted: dict[Any, Decimal] = defaultdict(Decimal)
        for row in rows:
            if (row.get("exchange_ns") or row["captured_ns"]) <= at_ns:
                sign = 1 if row["side"] == "buy" else -1
                wanted[row["strategy"]] += sign * Decimal(repr(row["last_quantity"]))
                wanted[row["strategy"], row["commission_currency"]] += Decimal(repr(row["commission"]))
        found: dict[Any, Decimal] = {}
        for position in positions(asked, at_ns=at_ns):
            assert not any(name.startswith(("open_", "awaited_")) for name in position)
            found[position["strategy"]] = position["quantity"]
            found |= {(position["strategy"], currency): paid for currency, paid in position["commissions"].items()}
        assert found == wanted, at_ns - BEGIN_NS


def test_positions_at_the_end_are_the_positions(views: Database, asked: Asked) -> None:
    record(views, *random_fills(random.Random(6), 50), {**FILL, "origin": "simulated"}, {**FILL, "last_price": 1e300})
    open_only = {"open_buy", "open_sell", "awaited_buy", "awaited_sell"}
    now = [{name: value for name, value in row.items() if name not in open_only} for row in positions(asked)]
    assert list(positions(asked, at_ns=2**63 - 1)) == now


def test_fees_are_summed_exactly_by_what_is_asked_for(views: Database, asked: Asked) -> None:
    rows = random_fills(random.Random(7), 100)
    second = {"other_commission": 0.5, "other_commission_currency": "BNB"}
    rows += [{**FILL, **second, "trade_id": "second", "strategy": "a", "exchange_ns": BEGIN_NS - 10**9}]
    rows += [{**FILL, "trade_id": "odd", "strategy": "a", "commission": 1e300, "commission_currency": "X"}]
    not_counted = {"strategy": "a", "last_quantity": 1e21, "commission": 0.5, "commission_currency": "Y"}
    rows += [
        {**FILL, **not_counted, "trade_id": f"huge-{number}", "commission": paid}
        for number, paid in enumerate((0.5, 0.0))
    ]
    record(views, *rows, {**FILL, "origin": "simulated", "commission": 9.0})
    record(views, *({**row, "origin": "lookback"} for row in rows[:50]))
    wanted: dict[Any, Decimal] = defaultdict(Decimal)
    for row in rows[:100]:
        wanted[row["strategy"], row["commission_currency"]] += Decimal(repr(row["commission"]))
    wanted |= {("a", "BNB"): Decimal("0.5"), ("a", "X"): Decimal(0), ("a", "Y"): Decimal(0)}
    found = list(fees(asked, by=["strategy"]))
    assert {(row["strategy"], row["currency"]): row["amount"] for row in found} == wanted
    assert sum(row["fills"] for row in found) == 101
    assert {row["currency"]: row["ignored"] for row in found if row["ignored"]} == {"X": 1, "Y": 1}
    days = [(row["day"], row["currency"]) for row in fees(asked) if row["currency"] == "BNB"]
    assert days == [("2026-07-01", "BNB")]
    assert next(iter(fees(asked, by=["day", "symbol"]))).keys() == {
        "day", "symbol", "currency", "amount", "fills", "ignored",
    }  # fmt: skip


def test_a_fill_with_two_commissions_in_one_currency_is_one_fill(views: Database, asked: Asked) -> None:
    """As FIX tells a commission and a fee, or a venue a fee and a rebate."""
    both = {"commission": 1.0, "other_commission": -0.25, "commission_currency": "A", "other_commission_currency": "A"}
    odd = {"trade_id": "odd", "commission": 1e300, "other_commission": 1e300}
    some = {"trade_id": "some", "other_commission": 1e300}
    record(views, {**FILL, **both}, {**FILL, **both, **odd}, {**FILL, **both, **some})
    for _ in range(2):
        assert [[*row.values()][1:] for row in fees(asked)] == [["A", Decimal("1.75"), 2, 2]]
        views.close_sums()


# What reaches the tables, and what settings do


@ON_SERVER
def test_filters_on_names_reach_the_table(views: Database, asked: Asked) -> None:
    record(views, {**FILL, "exchange_ns": BEGIN_NS})
    record(views, {**FILL, "symbol": "another", "exchange_ns": BEGIN_NS})
    for question, ask in QUESTIONS.items():
        read = []
        for selection in (Selection(), Selection(symbol=["another"]), Selection(symbol=["ano*", "other"])):
            statement = qualified(ask(asked, selection).statement, views.name())
            read.append(sum(row[3] for row in views.rows(f"EXPLAIN ESTIMATE {statement}")))
        assert read[1] < read[0] and read[2] < read[0], (question, read)


def qualified(statement: str, database: str) -> str:
    """A question as somebody asks it who is in no database."""
    for name in ("fills", "orders", "positions", "positions_at(", "fees("):
        statement = statement.replace(f"FROM {name}", f"FROM {database}.{name}")
    return statement


def test_a_question_may_be_longer_than_a_server_allows_by_itself(views: Database, asked: Asked) -> None:
    """As `profit` of many positions with long names is, beside what somebody asks for."""
    record(views, FILL)
    symbols = [*(f"{number}'{'-' * 20}" for number in range(10_000)), FILL["symbol"]]
    assert names(fills(asked, Selection(symbol=symbols))) == ["t-1"]


SETTINGS = (
    "join_use_nulls = 1, final = 1, session_timezone = 'America/New_York', aggregate_functions_null_for_empty = 1"
)


@ON_SERVER
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_settings_of_who_asks_change_nothing(views: Database, asked: Asked, question: str) -> None:
    record(views, *random_fills(random.Random(8), 20), {**FILL, "exec_type": "trade_cancel", "trade_id": "t-3"})
    record(views, {**ORDER, "order_status": "new", "quantity": 3.0})
    period = Selection(since_ns=BEGIN_NS - 5, until_ns=BEGIN_NS + 86_400 * 10**9)
    selection = Selection() if question.startswith("positions") else period
    statement = qualified(QUESTIONS[question](asked, selection).statement, views.name())
    answer = views.json(statement)
    assert len(answer) > 0
    assert views.json(f"{statement} SETTINGS {SETTINGS}") == answer
    assert views.json(f"{statement} SETTINGS allow_experimental_analyzer = 0") == answer
