"""FIX execution reports and cancel rejects, one by one and in logs."""

import logging
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import simplefix
from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.record.salvage import salvage
from ringbuf.strategies.adapters.adapter import Refused
from ringbuf.strategies.adapters.fix import FixAdapter, updates
from ringbuf.strategies.adapters.fix_log import ALTERED, TORN, messages
from ringbuf.strategies.inventory import Inventory
from tests.unit.strategies.venues.fix_session import SOH, encoded

TRADE: dict[int, Any] = {
    35: "8", 49: "VENUE", 56: "DESK", 34: 7, 52: "20260102-03:04:05.700", 1: "ACC1", 37: "O1", 11: "C1", 17: "E1",
    150: "F", 39: "1", 55: "EUR/USD", 54: "1", 38: "1000000", 40: "2", 44: "1.10001", 59: "1", 31: "1.1", 32: "400000",
    14: "400000", 151: "600000", 6: "1.1", 60: "20260102-03:04:05.123456",
}  # fmt: skip
TIME_NS = 1_767_323_045_123_456_000


def one(tags: dict[int, Any], **other: Any) -> dict[str, Any]:
    (update,) = updates(encoded(tags, **other))
    assert isinstance(update, dict)
    return update


def test_an_execution_report_is_taken_nearly_as_it_is() -> None:
    tags = TRADE | {58: "part", 30: "XOFF", 77: "O", 851: "2", 828: "1", 381: "440000", 99: "1.2", 2618: "P1", 854: "1"}
    update = one(tags | {12: "4.5", 13: "3", 479: "USD", 1003: "T1"})
    assert update == {
        "account": "ACC1", "order_status": "partially_filled", "order_id": "O1", "client_order_id": "C1",
        "exchange_ns": TIME_NS, "text": "part", "exec_type": "fill", "symbol": "EUR/USD", "side": "buy",
        "order_type": "limit", "time_in_force": "gtc", "position_effect": "open", "price": "1.10001",
        "stop_price": "1.2", "quantity": "1000000", "quantity_unit": "contracts", "cumulative_quantity": "400000",
        "leaves_quantity": "600000", "average_price": "1.1", "position_id": "P1", "trade_id": "T1", "report_id": "E1",
        "trade_type": "block", "liquidity": "taker", "last_market": "XOFF", "quote_quantity": "440000",
        "last_price": "1.1", "last_quantity": "400000", "commission": "4.5", "commission_currency": "USD",
    }  # fmt: skip
    assert salvage(update)[1] == 0


def test_the_id_of_the_report_is_that_of_the_trade_where_there_is_no_other() -> None:
    assert one(TRADE)["trade_id"] == "E1"
    assert "report_id" not in one(TRADE)
    bust = one(TRADE | {150: "H", 17: "E2", 19: "E1"})
    assert (bust["exec_type"], bust["report_id"], bust["ref_id"]) == ("trade_cancel", "E2", "E1")
    assert "trade_id" not in bust


@pytest.mark.parametrize("trade_id", [{}, {1003: "T1"}])
def test_a_bust_and_a_correct_find_their_trade(trade_id: dict[int, str]) -> None:
    inventory = Inventory()
    session = FixAdapter(inventory, exchange="sim", account="A1", strategy="mm")
    session.receive(encoded(TRADE | trade_id))
    session.receive(encoded(TRADE | {150: "G", 17: "E2", 19: "E1", 32: "300000", 14: "300000", 151: "700000"}))
    assert inventory.position("sim", "ACC1", "EUR/USD")[:2] == (Decimal(300_000), Decimal(700_000))
    session.receive(encoded(TRADE | {150: "H", 17: "E3", 19: "E2", 39: "0", 14: "0", 151: "1000000"}))
    assert inventory.position("sim", "ACC1", "EUR/USD")[:2] == (Decimal(0), Decimal(1_000_000))


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_a_correct_that_restates_the_commission_changes_it_and_one_that_does_not_leaves_it(version: str) -> None:
    inventory = Inventory()
    session = FixAdapter(inventory, exchange="sim", account="A1", strategy="mm")
    is_old = version == "FIX.4.2"
    trade, kind = TRADE | ({20: "0", 150: "1"} if is_old else {}), {20: "2"} if is_old else {150: "G"}
    session.receive(encoded(trade | {12: "4.5", 479: "USD"}, version=version))
    restated = trade | kind | {31: "1.2", 32: "300000"}
    session.receive(encoded(restated | {17: "E2", 19: "E1", 12: "0.00001", 13: "1", 479: "USD"}, version=version))
    assert inventory.commissions() == {"USD": Decimal(3)}
    session.receive(encoded(restated | {17: "E3", 19: "E2", 12: "0.05", 13: "2"}, version=version))
    assert inventory.commissions() == {"USD": Decimal(3)}, "a percentage is no amount"
    fees = {12: "2.5", 479: "EUR", 136: 1, 137: "0.1", 138: "USD"}
    session.receive(encoded(restated | {17: "E4", 19: "E3"} | fees, version=version))
    assert inventory.commissions() == {"EUR": Decimal("2.5"), "USD": Decimal("0.1")}


@pytest.mark.parametrize(
    ("version", "tags", "exec_type"),
    [
        ("FIX.4.2", {20: "0", 150: "1"}, "fill"),
        ("FIX.4.2", {20: "0", 150: "2", 39: "2"}, "fill"),
        ("FIX.4.2", {20: "1", 150: "1", 17: "E2", 19: "E1"}, "trade_cancel"),
        ("FIX.4.2", {20: "2", 150: "1", 17: "E2", 19: "E1"}, "trade_correct"),
        ("FIX.4.2", {20: "3", 150: "1", 32: "0"}, "order_status"),
        ("FIX.4.2", {20: "0", 150: "2", 39: "2", 32: "0"}, "order_status"),
        ("FIX.4.4", {150: "F", 32: "0"}, "order_status"),
        ("FIX.4.0", {20: "0"}, "fill"),
        ("FIX.4.0", {20: "0", 39: "4", 32: "0"}, "canceled"),
        ("FIX.4.0", {20: "0", 39: "1", 32: "0"}, "order_status"),
        ("FIX.4.0", {20: "0", 39: "7", 14: "0"}, "stopped"),
        ("FIX.4.0", {20: "0", 39: "7"}, "fill"),
        ("FIXT.1.1", {150: "F"}, "fill"),
        ("FIX.5.0SP2", {150: "L", 39: "0"}, "triggered"),
        ("FIX.4.4", {150: "I"}, "order_status"),
        ("FIX.4.4", {150: "D", 378: "1"}, "restated"),
        ("FIX.4.4", {150: "3", 39: "3"}, "done_for_day"),
    ],
)
def test_other_versions_and_other_reports(version: str, tags: dict[int, Any], exec_type: str) -> None:
    trade = {tag: value for tag, value in TRADE.items() if tag != 150}
    assert one(trade | tags, version=version)["exec_type"] == exec_type


def test_the_fills_in_a_report_of_an_order_are_its_fills() -> None:
    """As Deribit tells them: https://docs.deribit.com/fix-api/production/execution-reports."""
    state = {35: "8", 37: "o1", 11: "o1", 41: "mine", 150: "I", 55: "BTC-PERPETUAL", 54: "2", 38: "20", 40: "2"}
    fills = f"{SOH}1363=t1{SOH}1364=50000{SOH}1365=10{SOH}1443=1{SOH}1363=t2{SOH}1364=50001{SOH}1365=2.5{SOH}1443=2"
    told = state | {39: "1", 14: "12.5", 151: "7.5", 60: "20260102-03:04:05.700", 1362: f"2{fills}"}
    inventory = Inventory()
    session = FixAdapter(inventory, exchange="deribit", account="A1", strategy="mm")
    for _ in range(2):
        session.receive(encoded(told))
    assert not session.refused
    assert inventory.position("deribit", "A1", "BTC-PERPETUAL")[:3] == (Decimal("-12.5"), Decimal(0), Decimal("7.5"))
    first, second, order = updates(encoded(told))
    assert isinstance(first, dict) and isinstance(second, dict) and isinstance(order, dict)
    assert (first["trade_id"], first["last_price"], first["liquidity"]) == ("t1", "50000", "maker")
    assert (second["side"], second["last_quantity"], second["liquidity"]) == ("sell", "2.5", "taker")
    assert (order["exec_type"], order["cumulative_quantity"]) == ("order_status", "12.5")
    assert len(updates(encoded(TRADE | {1362: f"2{fills}"}))) == 1  # a report of a trade tells their sum


def test_ctrader_tells_no_id_and_no_price_of_a_fill_but_its_position() -> None:
    """https://help.ctrader.com/fix/specification/"""
    state = {35: "8", 11: "876316397", 37: "101", 38: "10000", 40: "1", 54: "1", 55: "1", 59: "3", 721: "7", 1003: "50"}
    opened = state | {6: "1.0674", 14: "4000", 32: "4000", 39: "1", 60: "20170117-10:02:14.963", 150: "F", 151: "6000"}
    rest = opened | {6: "1.0675", 14: "10000", 32: "6000", 39: "2", 60: "20170117-10:02:15.100", 151: "0"}
    inventory = Inventory()
    session = FixAdapter(inventory, exchange="ctrader", account="A1", strategy="mm")
    for tags in (opened, rest, opened, rest):
        session.receive(encoded(tags))
    assert not session.refused
    assert {each.position_id: held.quantity for each, held in inventory.positions().items()} == {"7": Decimal(10_000)}
    assert one(opened)["last_price"] == "1.0674"
    assert not {"trade_id", "report_id"} & one(opened).keys()
    assert "last_price" not in one(rest)  # 1.0675 is the average of both


@pytest.mark.parametrize("exec_type", ["F", "G"])
def test_the_average_price_of_an_order_is_not_that_of_a_trade_of_which_no_quantity_is_told(exec_type: str) -> None:
    told = {tag: value for tag, value in TRADE.items() if tag not in (14, 31, 32)}
    assert "last_price" not in one(told | {6: "1.5", 19: "e0", 150: exec_type})


def test_a_fill_of_all_is_of_a_filled_order_whatever_it_is_called() -> None:
    assert one(TRADE | {14: "1000000", 151: "0"})["order_status"] == "filled"
    assert one(TRADE | {151: "0"})["order_status"] == "partially_filled"


@pytest.mark.parametrize(
    ("tags", "paid"),
    [
        ({12: "2.5"}, ("2.5", None, None, None)),
        ({12: "2.5", 15: "EUR"}, ("2.5", "EUR", None, None)),
        ({12: "0.0001", 13: "1", 479: "USD"}, ("40", "USD", None, None)),
        ({12: "0.05", 13: "2"}, (None, None, None, None)),
        ({12: "-0.3", 13: "3", 479: "USD", 136: 1, 137: "0.1", 138: "EUR"}, ("-0.3", "USD", "0.1", "EUR")),
        ({136: 1, 137: "0.001", 138: "BNB", 139: "4"}, ("0.001", "BNB", None, None)),
    ],
)
def test_commission_and_fees(tags: dict[int, Any], paid: tuple[Any, ...]) -> None:
    update = one(TRADE | tags)
    names = "commission", "commission_currency", "other_commission", "other_commission_currency"
    assert tuple(update.get(name) for name in names) == paid


def test_fees_of_one_currency_are_summed() -> None:
    whole = encoded(TRADE | {136: 2, 137: "0.1", 138: "EUR"})
    message = whole[: whole.index("10=")].replace("138=EUR", f"138=EUR{SOH}137=0.2{SOH}138=EUR{SOH}137=1{SOH}138=USD")
    body = message[message.index("35=") :]
    message = f"8=FIX.4.4{SOH}9={len(body)}{SOH}{body}"
    message += f"10={sum(message.encode()) % 256:03}{SOH}"
    (update,) = updates(message)
    assert isinstance(update, dict)
    assert (update["commission"], update["commission_currency"]) == ("0.3", "EUR")
    assert (update["other_commission"], update["other_commission_currency"]) == ("1", "USD")


@pytest.mark.parametrize(("basis", "paid"), [("0", "0.01"), ("1", "4000"), ("2", None)])
def test_a_fee_is_absolute_per_unit_or_a_part(basis: str, paid: str | None) -> None:
    """MiscFeeBasis, https://www.onixs.biz/fix-dictionary/4.4/tagnum_891.html."""
    update = one(TRADE | {136: 1, 137: "0.01", 138: "USD", 891: basis})
    assert update.get("commission") == paid


@pytest.mark.parametrize(("code", "order_type"), [("C", "market"), ("D", "limit"), ("F", "limit"), ("H", "limit")])
def test_types_of_orders_of_foreign_exchange_are_known(code: str, order_type: str) -> None:
    update = one(TRADE | {40: code})
    assert (update["order_type"], update.get("text")) == (order_type, None)


def test_words_that_are_not_known_stand_in_the_text() -> None:
    update = one(TRADE | {40: "Z", 54: "Z", 59: "Z"})
    assert update["text"] == "unreadable: side Z; unreadable: order_type Z; unreadable: time_in_force Z"
    assert not {"side", "order_type", "time_in_force"} & update.keys()


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ({150: "8", 39: "8", 103: "3", 58: "too much"}, "too much"),
        ({150: "8", 39: "8", 103: "3"}, "OrdRejReason 3"),
        ({375: "BANK"}, "ContraBroker BANK"),
    ],
)
def test_the_text_says_why_or_with_whom(tags: dict[int, Any], text: str) -> None:
    assert one(TRADE | tags)["text"] == text


def test_an_order_that_must_not_take_is_post_only_and_an_amount_of_money_is_quote() -> None:
    assert one(TRADE | {18: "G 6"})["time_in_force"] == "post_only"
    cash = {tag: value for tag, value in TRADE.items() if tag != 38} | {152: "500"}
    assert (one(cash)["quantity"], one(cash)["quantity_unit"]) == ("500", "quote")


@pytest.mark.parametrize(
    ("tags", "time"),
    [
        ({}, TIME_NS),
        ({60: "20260102-03:04:05"}, TIME_NS // 10**9 * 10**9),
        ({60: "20260102-03:04:05.123456789"}, TIME_NS + 789),
        ({60: ""}, TIME_NS // 10**9 * 10**9 + 700_000_000),
        ({60: "", 122: "20260102-03:04:05.123456", 43: "Y"}, TIME_NS),
    ],
)
def test_times(tags: dict[int, Any], time: int) -> None:
    assert one(TRADE | tags)["exchange_ns"] == time


def test_a_time_that_is_none_does_not_cost_the_fill() -> None:
    update = one(TRADE | {60: "20261302-99:04:05"})
    assert "exchange_ns" not in update
    assert update["text"] == "unreadable: exchange_ns 20261302-99:04:05"


def test_what_was_possibly_sent_before_changes_nothing() -> None:
    inventory = Inventory()
    session = FixAdapter(inventory, exchange="sim", account="A1", strategy="mm")
    session.receive(encoded(TRADE))
    session.receive(encoded(TRADE | {43: "Y", 122: TRADE[52], 52: "20260102-03:05:00"}))
    session.receive(encoded(TRADE | {97: "Y", 34: 99, 52: "20260102-03:06:00"}))
    session.receive(encoded(TRADE | {49: "DROPCOPY", 34: 3, 797: "Y"}))
    assert inventory.position("sim", "ACC1", "EUR/USD")[:2] == (Decimal(400_000), Decimal(600_000))
    assert one(TRADE | {43: "Y"})["origin"] == one(TRADE | {97: "Y"})["origin"] == "lookback"


def test_a_cancel_reject_is_of_the_instrument_of_its_order() -> None:
    inventory = Inventory()
    session = FixAdapter(inventory, exchange="sim", account="ACC1", strategy="mm")
    reject = {35: "9", 34: 8, 37: "O1", 11: "X1", 41: "C1", 39: "1", 434: "1", 102: "1", 60: "20260102-03:04:06"}
    session.receive(encoded(reject))
    assert [each.kind for each in session.refused] == ["give it with the message: symbol=…"]
    session.receive(encoded(TRADE))
    session.receive(encoded(TRADE | {150: "6", 39: "6", 11: "X1", 41: "C1", 17: "E5", 60: "20260102-03:04:05.5"}))
    session.receive(encoded(reject))
    assert len(session.refused) == 1
    (order,) = inventory.orders()
    assert (order.status.name, order.open) == ("PARTIALLY_FILLED", Decimal(600_000))


@pytest.mark.parametrize("kind", ["3", "j"])
def test_a_reject_of_a_message_is_listed_since_it_names_no_instrument(kind: str) -> None:
    session = FixAdapter(Inventory(), exchange="sim", account="A1", strategy="mm")
    session.receive(encoded({35: kind, 34: 8, 45: "2", 372: "D", 379: "C1", 58: "unsupported"}))
    assert "'C1': unsupported" in session.refused[0].why
    assert updates(encoded({35: "0", 34: 9})) == []


def test_a_message_may_be_text_bytes_tags_or_that_of_a_library() -> None:
    whole = encoded(TRADE)

    class QuickFix:
        """Names its methods otherwise."""

        def __getattr__(self, name: str) -> Any:
            if name != "toString":
                raise AttributeError(name)
            return lambda: whole

    parser = simplefix.FixParser()
    parser.append_buffer(whole)
    found = [updates(each) for each in (whole, whole.encode(), TRADE, QuickFix(), parser.get_message())]
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("message", [7, None, "", "8=FIX.4.4", "a line of a log", encoded(TRADE)[:-20], b"\xff"])
def test_what_is_no_message_is_refused(message: Any) -> None:
    with pytest.raises(RecordError):
        updates(message)


def test_a_line_of_a_log_may_have_several_messages() -> None:
    line = f"in {encoded(TRADE, separator='|')} {encoded(TRADE, separator='|')[:50]} {encoded({35: 'j', 58: 'no'})}"
    first, torn, rejected, second = updates(f"{line} {encoded(TRADE | {17: 'E2'})}")
    assert isinstance(torn, Refused)
    assert isinstance(rejected, Refused)
    assert (torn.kind, rejected.kind) == (TORN, "a BusinessMessageReject tells no order and no instrument")
    assert [each["trade_id"] for each in (first, second) if isinstance(each, dict)] == ["E1", "E2"]


SEPARATORS = [
    SOH,
    "|",
    "^A",
    "^a",
    "<SOH>",
    "[SOH]",
    "\\x01",
    "\\001",
    "\\u0001",
    "%01",
    "&#1;",
    "\N{SYMBOL FOR START OF HEADING}",
    ";",
    " | ",
]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_log_may_show_anything_for_what_separates_fields(separator: str) -> None:
    line = f"2026-01-02 03:04:05,123 INFO in: {encoded(TRADE | {58: 'a|b;c'}, separator=separator)} (main)\n"
    (found,) = messages([line])
    assert found == encoded(TRADE | {58: "a|b;c"}).encode()


def test_a_log_gives_all_messages_and_lists_what_is_torn_or_altered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = encoded(TRADE, separator="|")
    second = encoded(TRADE | {17: "E2", 14: "800000", 151: "200000"}, separator="|")
    altered = second.replace("1=ACC1", "1=ACC9")
    log = tmp_path / "session.log"
    heartbeat = encoded({35: "0", 34: 9}, separator="|")
    lines = [
        "starting\n", f"in {first} {heartbeat}\n", "\n", f"in {altered}\n", f"in {second[:60]}\n", f"in {second}\n",
        f"{second[40:]}\n", f"in {encoded(TRADE | {58: f'two{chr(10)}lines', 150: 'I', 17: 'E3'})}\n", second[:-30],
    ]  # fmt: skip
    log.write_text("".join(lines), newline="")
    inventory = Inventory()
    session = FixAdapter(inventory, exchange="sim", account="A1", strategy="mm")
    with caplog.at_level(logging.WARNING, "ringbuf.adapters"):
        assert session.log(log) == 3
    assert [(each.kind, each.why.partition(":")[0]) for each in session.refused] == [
        (ALTERED, "line 4"),
        (TORN, "line 5"),
        (TORN, "line 7"),
        (TORN, "line 10"),
    ]
    assert inventory.position("sim", "ACC1", "EUR/USD").quantity == 800_000
    assert len(caplog.records) == 2


def test_a_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        FixAdapter(Inventory(), exchange="sim", account="A1", strategy="mm").log(tmp_path / "none")


def test_without_simplefix_it_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplefix", None)
    with pytest.raises(ConfigurationError, match=r"ringbuf-capture\[fix\]"):
        FixAdapter(Inventory(), exchange="sim", account="A1", strategy="mm")


LINE = encoded(TRADE, separator="|").encode()
PIECES = st.lists(
    st.one_of(st.just(LINE), st.binary(max_size=9), st.integers(1, len(LINE) - 2).map(lambda cut: LINE[:cut])),
    max_size=4,
).map(b" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=5))
def test_each_whole_message_of_a_log_is_found_whatever_is_around_it(lines: list[bytes]) -> None:
    found = list(messages(each + b"\n" for each in lines))
    whole = [each for each in found if not isinstance(each, Refused)]
    assert len(whole) == sum(each.count(LINE) for each in lines)
    assert set(whole) <= {encoded(TRADE).encode()}
