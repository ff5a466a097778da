"""What the venue's answer has in it that we hear of only afterwards, and what is older than the answer."""

from decimal import Decimal
from typing import Any

import pytest

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.strategies.account import Account, BalanceUpdate, Event, Held, PositionUpdate, Snapshot, Transfer
from ringbuf.strategies.inventory import Contract, ContractKind, Inventory, Profit
from ringbuf.strategies.orders import OrderPages

AT = 1_790_000_000_000_000_000
NAMES = {"exchange": "x", "account": "A", "symbol": "S"}


class Desk:
    """An account of which 10 are held, as the venue answered first; times are ns since then."""

    def __init__(self, *, began_at: int | None = 0, answers: bool = True) -> None:
        self.now = 0
        contract = Contract(ContractKind.LINEAR, base="S", quote="USD")
        self.pages = OrderPages(inventory=Inventory(instruments={("x", "S"): contract}))
        self.account = Account(self.pages, "x", "A", clock=lambda: self.now)
        if answers:
            self.answer(10, at=began_at)

    @property
    def held(self) -> Held:
        return self.account.position("S")

    def fill(self, trade_id: str, side: str, quantity: int, *, at: int | None = None) -> None:
        self.now += 1
        time = {} if at is None else {"exchange_ns": AT + at}
        told = {"exec_type": "fill", "order_id": trade_id, "trade_id": trade_id, "side": side, "last_price": 1}
        fee = {"commission": "0.5", "commission_currency": "BNB"}
        self.pages.apply(NAMES | told | fee | time | {"last_quantity": quantity})

    def told(self, quantity: int, *, at: int) -> bool:
        self.now += 1
        return self.account.apply(PositionUpdate("S", quantity, AT + at))

    def answer(self, quantity: int, *, at: int | None = None, asked: int | None = None) -> None:
        self.now += 1
        asked_ns = self.account.asking() if asked is None else asked
        venue_ns = 0 if at is None else AT + at
        self.account.apply(Snapshot(asked_ns, balances={"USD": 100}, positions={"S": quantity}, exchange_ns=venue_ns))


@pytest.mark.parametrize("at", [4, None])
def test_a_sale_that_the_answer_has_in_it_is_not_taken_for_one_that_comes_on_top(at: int | None) -> None:
    desk = Desk()
    desk.answer(7, at=at)  # sold, and not heard of yet
    assert (desk.held.highest, desk.held.stale) == (Decimal(7), "")
    desk.fill("t1", "sell", 3, at=3)
    assert "answer already" in desk.held.stale  # to buy 3 more now would be too many
    desk.answer(7, at=at)
    assert (desk.held.highest, desk.held.pending, desk.held.stale) == (Decimal(7), Decimal(0), "")


def test_a_sale_that_is_later_than_the_answer_comes_on_top() -> None:
    desk = Desk()
    desk.answer(7, at=4)
    desk.fill("t1", "sell", 3, at=5)
    assert (desk.held.highest, desk.held.stale) == (Decimal(4), "")


def test_a_fill_that_is_not_later_than_what_was_told_first_may_be_in_it() -> None:
    desk = Desk(began_at=2)
    desk.fill("t1", "sell", 1, at=2)
    assert "answer already" in desk.held.stale
    later = Desk(began_at=2)
    later.fill("t1", "sell", 1, at=3)
    assert (later.held.highest, later.held.stale) == (Decimal(9), "")


def test_what_was_told_first_without_a_time_may_have_the_fills_in_it_that_are_heard_afterwards() -> None:
    desk = Desk(began_at=None)
    desk.fill("t1", "sell", 3, at=5)  # whether before the answer or after it, no time tells
    assert "answer already" in desk.held.stale
    desk.answer(10)
    assert (desk.held.highest, desk.held.stale) == (Decimal(10), "")
    desk.fill("t2", "sell", 2, at=4)
    assert "answer already" in desk.held.stale  # nothing was told yet that came on top
    desk.answer(8)
    assert (desk.held.highest, desk.held.stale) == (Decimal(8), "")
    desk.fill("t3", "sell", 1, at=6)
    assert (desk.held.highest, desk.held.stale) == (Decimal(7), "")
    desk.fill("t4", "sell", 1, at=3)  # before one that came on top
    assert "answer already" in desk.held.stale


def test_a_fill_of_before_the_beginning_is_in_all_answers() -> None:
    desk = Desk(began_at=5)
    desk.answer(10, at=8)
    desk.fill("t1", "sell", 3, at=4)
    assert "answer already" in desk.held.stale


def test_what_is_heard_after_the_question_need_not_be_in_its_answer_though_the_clock_stands_still() -> None:
    desk = Desk(began_at=1)
    desk.now = 10
    asked = desk.account.asking()
    desk.now -= 1
    desk.fill("t1", "buy", 2, at=3)  # by a backtest's clock in the same moment
    desk.now -= 1
    desk.answer(10, asked=asked)
    assert desk.held.highest == 12


def test_a_gap_after_the_question_is_not_closed_by_its_answer_though_the_clock_stands_still() -> None:
    desk = Desk(began_at=1)
    asked = desk.account.asking()
    desk.account.gap("cut")
    desk.account.apply(Snapshot(asked, positions={"S": 10}, exchange_ns=AT + 2))
    assert desk.held.stale == "cut"


@pytest.mark.parametrize(("then", "opening"), [("6.5", "7"), ("7", "7.5")])
def test_an_opening_that_was_told_while_a_fill_came_is_put_right_by_the_next_answer(then: str, opening: str) -> None:
    desk = Desk(answers=False)
    asked = desk.account.asking()
    desk.fill("t1", "buy", 1, at=3)  # its fee is in the first answer, or not
    desk.account.apply(Snapshot(asked, balances={"BNB": 7}, exchange_ns=AT + 4))
    desk.account.apply(Snapshot(desk.account.asking(), balances={"BNB": then}, exchange_ns=AT + 6))
    found = desk.account.identity("BNB")
    assert found is not None
    assert (found.opening, found.unexplained) == (Decimal(opening), Decimal(0))


def test_a_sale_that_an_answer_has_in_it_which_puts_the_opening_right_is_not_sold_twice() -> None:
    desk = Desk(answers=False)
    desk.fill("t1", "buy", 5, at=1)
    desk.told(1, at=4)
    desk.fill("t2", "sell", 4, at=4)  # that is in it
    desk.answer(0, at=6)  # and another sale, too, which is heard of only now
    desk.fill("t3", "sell", 1, at=6)
    assert "answer already" in desk.held.stale


def test_what_was_heard_while_a_stale_account_was_asked_leaves_it_stale() -> None:
    desk = Desk()
    desk.account.gap("cut")
    asked = desk.account.asking()
    desk.fill("t1", "sell", 1, at=3)
    desk.answer(10, at=3, asked=asked)  # whether that has the sale in it, nobody can tell
    assert desk.held.stale == "it moved while the venue was asked"
    desk.answer(9, at=4)
    assert (desk.held.highest, desk.held.stale) == (Decimal(9), "")


def test_an_answer_without_a_time_is_later_than_the_fills_that_are_in_it() -> None:
    desk = Desk()
    desk.fill("t1", "buy", 2, at=5)
    desk.answer(12)
    assert not desk.told(11, at=4)
    assert (desk.held.told, desk.held.stale) == (Decimal(12), "")
    assert desk.told(13, at=6)


def test_what_an_answer_without_a_time_moved_may_be_explained_by_a_later_fill() -> None:
    desk = Desk()
    desk.told(11, at=1)
    desk.fill("t1", "buy", 1, at=1)
    asked = desk.account.asking()
    desk.fill("t2", "buy", 3, at=2)
    desk.answer(14, asked=asked)
    assert (desk.held.told, desk.held.pending, desk.held.stale) == (Decimal(14), Decimal(0), "")


def test_a_currency_that_is_heard_of_first_after_a_gap_was_zero_when_the_venue_was_asked() -> None:
    desk = Desk()
    desk.account.gap("cut")
    desk.account.apply(BalanceUpdate("BNB", "-0.5", AT + 2))
    assert desk.account.balance("BNB").stale
    desk.fill("t1", "buy", 1, at=2)
    identity = desk.account.identity("BNB")
    assert identity is not None
    assert (identity.opening, identity.records, identity.unexplained) == (Decimal(0), Decimal("-0.5"), Decimal(0))


def test_a_wallet_that_two_exchanges_share_follows_the_trades_of_both() -> None:
    """Bybit's unified account: spot is an exchange of its own here, since it spells its symbols as the perpetuals."""
    spot, linear = (Contract(kind, base="BTC", quote="USDT") for kind in (ContractKind.SPOT, ContractKind.LINEAR))
    known = {("bybit", "BTCUSDT"): linear, ("bybit_spot", "BTCUSDT"): spot}
    pages = OrderPages(inventory=Inventory(instruments=known))
    account = Account(pages, "bybit", "A", wallet_shared_with=["bybit_spot"], clock=lambda: 1)
    account.apply(Snapshot(account.asking(), balances={"USDT": 1000}, positions={}, exchange_ns=AT))
    told = {"account": "A", "symbol": "BTCUSDT", "exec_type": "fill", "side": "buy", "last_price": 10}
    for number, exchange in enumerate(("bybit", "bybit_spot", "elsewhere"), 1):
        ids = {"order_id": f"o{number}", "trade_id": f"t{number}", "last_quantity": number}
        fee = {"commission": 1, "commission_currency": "USDT"}
        pages.apply(told | ids | fee | {"exchange": exchange, "exchange_ns": AT + number})
    assert account.balance("USDT").pending == Decimal(-22)
    assert account.balance("BTC").pending == 2
    assert account.position("BTCUSDT").pending == 1
    account.apply(BalanceUpdate("USDT", 978, AT + 9))
    found = account.identity("USDT")
    assert found is not None
    assert (found.records, found.unexplained, account.balance("USDT").stale) == (Decimal(-22), Decimal(0), "")


def test_a_fill_in_one_of_many_positions_is_followed_without_a_look_at_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    trade = {"exec_type": "fill", "order_id": "o", "trade_id": "t", "side": "buy", "last_price": 1, "last_quantity": 1}
    for number in range(100):
        desk.pages.apply(NAMES | trade | {"symbol": f"S{number}"})
    looked_at: list[str] = []
    profit = desk.pages.inventory.profit

    def noted(*names: str) -> Profit:
        looked_at.append(names[2])
        return profit(*names)

    monkeypatch.setattr(desk.pages.inventory, "profit", noted)
    monkeypatch.delattr(Inventory, "positions")
    desk.pages.apply(NAMES | trade | {"symbol": "S7", "trade_id": "t2"})
    desk.pages.apply(NAMES | {"symbol": "S9", "exec_type": "funding", "trade_id": "f", "commission": 1})
    assert desk.account.position("S7").told == 0
    assert looked_at == ["S7", "S9"]


def test_an_answer_to_a_question_that_was_not_asked_yet_is_refused() -> None:
    desk = Desk()
    desk.fill("t1", "buy", 2, at=3)
    with pytest.raises(RecordError, match="give what asking"):
        desk.answer(10, asked=AT)  # by another clock all that is pending would be in it
    assert desk.held.highest == 12
    desk.answer(12)
    assert (desk.held.highest, desk.held.stale) == (Decimal(12), "")


@pytest.mark.parametrize("name", [[], {}, Decimal("sNaN"), 1.5])
def test_what_names_no_position_or_transfer_is_refused(name: Any) -> None:
    desk = Desk()
    events: list[Event] = [PositionUpdate(name, 1), PositionUpdate("S", 1, 0, name), Transfer("USD", 1, name)]
    wrong: list[dict[Any, int]] = [{"S": 9, ("T", "long", "x"): 1}, {"S": 9, 7: 1}]
    events += [Snapshot(desk.account.asking(), positions=each) for each in wrong]
    for event in events:
        with pytest.raises(RecordError):
            desk.account.apply(event)
    assert (desk.held.told, desk.held.stale) == (Decimal(10), "")


def test_the_id_of_a_transfer_is_the_same_as_a_number_and_as_text() -> None:
    desk = Desk()
    assert desk.account.apply(Transfer("USD", 1, 7, AT + 1))
    assert not desk.account.apply(Transfer("USD", 1, "7", AT + 1))


def test_an_exchange_to_share_a_wallet_with_is_one_of_a_list() -> None:
    with pytest.raises(ConfigurationError, match="wallet_shared_with"):
        Account(OrderPages(), "bybit", "A", wallet_shared_with="bybit_spot")


def test_an_answer_that_agrees_by_chance_may_have_a_change_in_it_that_is_heard_of_only_afterwards() -> None:
    desk = Desk(began_at=4)
    desk.fill("t1", "sell", 2, at=4)  # the first answer had it in it
    assert "answer already" in desk.held.stale
    desk.answer(8, at=8)  # 2 more were sold
    assert (desk.held.highest, desk.held.stale) == (Decimal(8), "")
    desk.fill("t2", "sell", 2, at=8)  # these
    assert "answer already" in desk.held.stale
    desk.answer(8, at=12)
    assert (desk.held.highest, desk.held.pending, desk.held.stale) == (Decimal(8), Decimal(0), "")
    desk.fill("t3", "sell", 1, at=13)
    assert (desk.held.highest, desk.held.stale) == (Decimal(7), "")
