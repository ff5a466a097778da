"""What an account holds, whatever the order in which its venue tells it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.strategies.account import (
    Account,
    BalanceUpdate,
    Held,
    PositionUpdate,
    Snapshot,
    Transfer,
    WalletIdentity,
)
from ringbuf.strategies.inventory import Contract, ContractKind, Inventory
from ringbuf.strategies.orders import OrderPages
from ringbuf.trading.held_quantity import MOST_PENDING
from tests.model.double_buy import Run

FILL: dict[str, Any] = {"exchange": "v", "account": "A", "symbol": "S", "exec_type": "fill", "side": "buy"}
SPOT = Contract(ContractKind.SPOT, base="BTC", quote="USDT")
LINEAR = Contract(ContractKind.LINEAR, base="BTC", quote="USDT")
AT = 1_700_000_000_000_000_000


class Desk:
    """An account, its clock, and the questions that it asked."""

    def __init__(self, instruments: Mapping[tuple[str, str], Contract] | None = None, **options: Any) -> None:
        self.now = 1
        self.asked: list[str] = []
        self.pages = OrderPages(inventory=Inventory(instruments=instruments))
        self.account = Account(
            self.pages,
            "v",
            "A",
            ask=self.asked.append,
            timeout=timedelta(microseconds=10),
            clock=lambda: self.now * 1_000,
            **options,
        )

    def fill(self, quantity: str, at: int = 0, **fields: Any) -> None:
        trade = {"order_id": "o", "trade_id": f"t{at}-{quantity}", "last_quantity": quantity, "last_price": "10"}
        self.pages.apply({**FILL, **trade, "exchange_ns": AT + at, **fields})

    def told(self, quantity: str, at: int = 0) -> bool:
        return self.account.apply(PositionUpdate("S", Decimal(quantity), AT + at))

    def answer(self, **told: Any) -> None:
        self.account.apply(Snapshot(self.account.asking(), **told))

    def held(self) -> tuple[float, float, bool]:
        """Lowest, highest, and whether it is to be relied on."""
        held = self.account.position("S")
        return float(held.lowest), float(held.highest), not held.stale


def begun(instruments: Mapping[tuple[str, str], Contract] | None = None, **options: Any) -> Desk:
    """One that knows that nothing is held."""
    desk = Desk(instruments, **options)
    desk.answer(positions={}, balances={"USDT": Decimal(1000)}, exchange_ns=AT)
    return desk


def test_a_fill_is_held_as_pending_until_the_told_position_has_moved_by_it() -> None:
    desk = begun()
    desk.fill("2", at=5)
    assert desk.account.position("S") == Held(Decimal(0), Decimal(2), Decimal(2), Decimal(2), Decimal(0), "")
    desk.told("0", at=5)  # it moved for another reason, or not yet
    assert desk.held() == (2, 2, True)
    desk.told("2", at=6)
    assert desk.account.position("S") == Held(Decimal(2), Decimal(2), Decimal(2), Decimal(0), Decimal(0), "")


def test_a_position_that_is_told_before_its_fill_counts_it_once() -> None:
    desk = begun()
    desk.told("2", at=6)
    assert desk.held() == (2, 2, False)  # nothing explains it yet
    desk.fill("0.5", at=5)
    assert desk.held() == (2, 2.5, False)
    desk.fill("1.5", at=6)
    assert desk.held() == (2, 2, True)


def test_a_fill_that_is_later_than_what_was_told_is_not_in_it() -> None:
    desk = begun()
    desk.fill("1", at=9)
    desk.told("1", at=7)  # of a fill before that one, which comes late
    assert desk.held() == (1, 2, False)
    desk.fill("1", at=6)
    assert desk.held() == (2, 2, True)
    desk.told("2", at=9)
    assert desk.account.position("S").pending == 0


def test_what_is_older_than_what_was_told_is_refused_and_so_is_a_transfer_that_was_there() -> None:
    desk = begun()
    assert desk.told("0", at=6)
    assert not desk.told("5", at=5)
    assert desk.account.apply(Transfer("USDT", Decimal(1), "w-1"))
    assert not desk.account.apply(Transfer("USDT", Decimal(1), "w-1"))
    assert (desk.held(), desk.account.refused) == ((0, 0, True), 2)


@pytest.mark.parametrize("told", [0.4, "0.4", Decimal("0.4")])
def test_a_quantity_counts_as_its_decimal_text_whatever_kind_of_number_a_library_gives(told: Any) -> None:
    desk = begun()
    desk.fill("0.4", 1)
    assert desk.account.apply(PositionUpdate("S", told, AT + 1))
    assert (desk.account.position("S").pending, desk.account.position("S").stale) == (Decimal(0), "")
    desk.answer(positions={("S", ""): told}, exchange_ns=AT + 2)
    assert desk.account.position("S").told == Decimal("0.4")


def test_what_is_no_number_is_refused_and_nothing_has_changed() -> None:
    desk = begun()
    before = desk.account.position("S")
    snapshot = Snapshot(desk.account.asking(), {"USDT": 1}, {("S", ""): 2, ("T", ""): "many"}, AT + 9)
    for event in (PositionUpdate("S", float("nan"), AT + 9), Transfer("USDT", "much", "t1"), snapshot):
        with pytest.raises(RecordError):
            desk.account.apply(event)
    assert (desk.account.position("S"), desk.account.balance("USDT").told) == (before, Decimal(1000))
    assert desk.account.apply(Transfer("USDT", "5", "t1"))


def test_of_a_venue_that_tells_no_positions_any_more_memory_is_bounded() -> None:
    desk = begun()
    for number in range(MOST_PENDING + 50):
        desk.fill("1", at=number + 1)
    assert desk.held() == (MOST_PENDING + 50, MOST_PENDING + 50, True)
    desk.told("51", at=51)
    assert desk.account.position("S").pending == MOST_PENDING - 1


def test_two_quantities_of_one_time_are_in_doubt_unless_fills_explain_both() -> None:
    desk = begun()
    desk.fill("1", at=5)
    desk.fill("2", at=5)
    desk.told("1", at=5)
    desk.told("3", at=5)
    assert desk.held() == (3, 3, True)
    desk.told("1", at=5)  # which of them is the last one?
    assert desk.held() == (1, 1, False)


def test_a_snapshot_replaces_what_was_told_and_what_it_lacks_is_nothing() -> None:
    desk = begun()
    desk.fill("2", at=5)
    desk.told("2", at=6)
    desk.answer(positions={("T", "long"): Decimal(7)}, exchange_ns=AT + 9)
    assert desk.held() == (0, 0, True)
    assert desk.account.position("T", "long").told == 7
    assert desk.account.position("U").told == 0
    assert desk.account.balance("USDT").told == 1000  # it was not asked for


@pytest.mark.parametrize(("word", "side"), [("BOTH", ""), ("", ""), ("LONG", "long"), ("Short", "short")])
def test_a_position_side_is_the_same_whatever_way_a_venue_writes_it(word: str, side: str) -> None:
    desk = begun()
    desk.fill("2", at=5, position_side=word)
    desk.account.apply(PositionUpdate("S", 2, AT + 5, word))
    assert desk.account.position("S", side) == Held(Decimal(2), Decimal(2), Decimal(2), Decimal(0), Decimal(0), "")
    desk.answer(positions={("S", word): 2}, exchange_ns=AT + 6)
    assert (desk.account.position("S", word).told, desk.account.position("S", side).stale) == (Decimal(2), "")
    with pytest.raises(RecordError):
        desk.account.apply(PositionUpdate("S", 3, AT + 7, "sideways"))


def test_before_the_venue_has_told_anything_nothing_is_to_be_relied_on() -> None:
    desk = Desk()
    desk.fill("2")
    assert desk.held()[:2] == (2, 2)
    assert desk.account.position("S").stale == "the venue has told nothing yet"
    desk.told("2", at=9)
    assert desk.held() == (2, 2, False)  # whether the fill is in it, nobody knows
    desk.answer(positions={("S", ""): Decimal(2)}, exchange_ns=AT + 10)
    assert desk.held() == (2, 2, True)


def test_a_gap_in_a_stream_makes_all_stale_until_a_snapshot_that_was_asked_for_later() -> None:
    desk = begun()
    asked_ns = desk.account.asking()
    desk.now = 2
    assert [desk.account.heard("orders", number) for number in (1, 2, 2, 1, 3)] == [True, True, False, False, True]
    assert desk.held() == (0, 0, True)
    assert desk.account.heard("orders", 6)
    assert desk.account.position("S").stale == "messages 4 to 5 of orders are missing"
    desk.account.apply(Snapshot(asked_ns, positions={}, exchange_ns=AT + 9))
    assert desk.held() == (0, 0, False)
    desk.answer(positions={}, exchange_ns=AT + 10)
    assert desk.held() == (0, 0, True)


def test_what_the_venue_tells_first_after_a_gap_is_stale_until_it_answers() -> None:
    desk = Desk()
    desk.account.gap("cut")
    desk.now = 2
    assert desk.told("1", at=1)
    assert desk.account.position("S").stale == "cut"
    desk.now = 3
    desk.answer(positions={"S": 1})
    assert desk.account.position("S").stale == ""


def test_a_gap_of_which_nobody_says_why_makes_all_stale_too() -> None:
    desk = Desk()
    desk.told("1", at=1)
    desk.account.gap("")
    assert desk.account.position("S").stale == "something was missed"


def test_after_a_cut_connection_the_numbers_of_a_stream_may_begin_anew_and_a_gap_is_found_again() -> None:
    desk = begun()
    assert [desk.account.heard("orders", number) for number in (0, 1, 2, 3, 4, 5)] == [True] * 6
    desk.account.gap("the connection was cut")
    desk.now = 2
    assert desk.account.heard("orders", 0)  # the answer to the new subscription
    desk.answer(positions={}, exchange_ns=AT + 9)
    assert desk.account.heard("orders", 1)
    assert desk.held() == (0, 0, True)
    assert desk.account.heard("orders", 3)
    assert desk.account.position("S").stale == "messages 2 to 2 of orders are missing"
    assert not desk.account.heard("orders", 2)


def test_the_venue_is_asked_when_a_fill_is_pending_for_too_long_and_once_in_a_time_out() -> None:
    desk = begun()
    desk.fill("2", at=5)
    assert (desk.account.tick(), desk.asked) == (False, [])
    desk.now = 12
    assert (desk.account.tick(), desk.account.tick(), len(desk.asked)) == (True, True, 1)
    assert "a fill is pending" in desk.asked[0]
    desk.now = 22
    desk.account.tick()
    assert (len(desk.asked), desk.account.asked) == (2, 2)
    desk.answer(positions={("S", ""): Decimal(2)})
    assert (desk.held(), desk.account.tick()) == ((2, 2, True), False)


def test_an_answer_that_may_be_older_than_what_was_told_meanwhile_is_no_answer() -> None:
    desk = begun()
    asked_ns = desk.account.asking()
    desk.now = 5
    desk.fill("2", at=5)
    desk.told("2", at=6)
    assert not desk.account.apply(Snapshot(asked_ns, positions={("S", ""): Decimal(0)}))
    assert desk.held() == (2, 2, False)


def test_a_fill_that_a_told_move_had_in_it_is_not_added_to_an_answer_that_was_asked_for_before_it_came() -> None:
    desk = begun()
    asked_ns = desk.account.asking()
    desk.now = 5
    desk.told("5", at=5)  # after a fill that comes late
    desk.fill("1", at=5)  # another one of the same time, before it
    desk.fill("5", at=5)
    desk.account.apply(Snapshot(asked_ns, positions={("S", ""): Decimal(6)}, exchange_ns=AT + 6))
    assert desk.held() == (6, 6, True)


def test_an_answer_does_not_tell_whether_a_fill_that_came_meanwhile_was_in_an_earlier_move() -> None:
    desk = begun()
    asked_ns = desk.account.asking()
    desk.now = 5
    desk.told("5", at=5)
    desk.fill("1", at=5)
    desk.account.apply(Snapshot(asked_ns, positions={("S", ""): Decimal(5)}, exchange_ns=AT + 6))
    assert not desk.held()[2]
    desk.now = 6
    desk.answer(positions={("S", ""): Decimal(5)}, exchange_ns=AT + 7)
    assert desk.held() == (5, 5, True)


def test_what_was_closed_from_outside_is_believed_when_the_venue_confirms_it() -> None:
    desk = begun()
    desk.fill("2", at=5)
    desk.told("2", at=6)
    desk.told("0.5", at=8)
    assert desk.account.position("S").stale == "it moved by -1.5, which nothing explains yet"
    desk.now = 20
    assert desk.account.tick()
    desk.answer(positions={("S", ""): Decimal("0.5")}, exchange_ns=AT + 9)
    assert desk.held() == (0.5, 0.5, True)


def test_a_liquidation_without_an_order_of_ours_explains_its_move() -> None:
    desk = begun()
    desk.fill("2", at=5)
    desk.told("2", at=5)
    desk.told("0", at=8)
    desk.fill("2", at=8, order_id="", side="sell", trade_type="liquidation", trade_id="l")
    assert desk.held() == (0, 0, True)


def test_when_asking_raises_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def ask(why: str) -> None:
        raise ConnectionError("down")

    account = Account(OrderPages(), "v", "A", ask=ask)
    account.apply(PositionUpdate("S", Decimal(1)))
    account.gap("cut")
    assert account.tick()
    assert "the venue could not be asked about ('S', ''): cut" in caplog.text


# Wallets


def test_a_spot_wallet_is_fills_and_fees_and_transfers() -> None:
    desk = begun({("v", "S"): SPOT})
    desk.fill("2", at=5, commission="0.1", commission_currency="USDT")
    desk.account.apply(Transfer("USDT", Decimal(50), "w-1", AT + 6))
    assert desk.account.balance("USDT")[:4] == (Decimal(1000), Decimal("1029.9"), Decimal("1029.9"), Decimal("29.9"))
    desk.account.apply(BalanceUpdate("USDT", Decimal("979.9"), AT + 5))
    desk.account.apply(BalanceUpdate("USDT", Decimal("1029.9"), AT + 6))
    parts = Decimal(1000), Decimal("-20.1"), Decimal(50), Decimal(0), Decimal(0)
    assert desk.account.identity("USDT") == WalletIdentity(Decimal("1029.9"), *parts)
    assert desk.account.balance("BTC").highest == 2


def test_a_wallet_of_a_currency_whose_name_is_too_long_for_a_record_is_one() -> None:
    long = "PT-sUSDE-25SEP2025"
    desk = begun({("v", "S"): Contract(ContractKind.SPOT, base=long, quote="USDT")})
    assert desk.account.apply(BalanceUpdate(long, Decimal(1), AT))
    assert desk.account.apply(Transfer(long, 1, "w-1", AT + 1))
    desk.fill("2", at=2, commission="0.5", commission_currency=long)
    held, found = desk.account.balance(long), desk.account.identity(long)
    assert (held.pending, held.highest) == (Decimal("2.5"), Decimal("3.5"))
    assert found is not None
    assert (found.records, found.transfers) == (Decimal("1.5"), Decimal(1))
    desk.answer(balances={long: "3.5", "USDT": 980})
    assert desk.account.balance(long).told == Decimal("3.5")


def test_a_derivatives_wallet_is_profit_and_fees_and_funding() -> None:
    desk = begun({("v", "S"): LINEAR})
    desk.fill("2", at=5)
    desk.fill("2", at=6, side="sell", last_price="13", trade_id="t2")
    funding = {"exec_type": "funding", "trade_id": "f", "commission": "1.5", "commission_currency": "USDT"}
    desk.pages.apply({**FILL, **funding, "exchange_ns": AT + 7, "side": None})
    assert desk.account.balance("USDT").pending == Decimal("4.5")
    desk.account.apply(BalanceUpdate("USDT", Decimal("1004.5"), AT + 7))
    parts = Decimal(1000), Decimal("4.5"), Decimal(0), Decimal(0), Decimal(0)
    assert desk.account.identity("USDT") == WalletIdentity(Decimal("1004.5"), *parts)


def test_what_a_venue_rounds_explains_a_move_and_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    desk = begun({("v", "S"): SPOT}, rounding=Decimal("0.01"))
    desk.fill("0.3333", at=5)
    desk.account.apply(BalanceUpdate("USDT", Decimal("996.66"), AT + 5))
    assert desk.account.balance("USDT").stale == ""
    found = desk.account.identity("USDT")
    assert found is not None
    assert (found.pending, found.unexplained) == (Decimal(0), Decimal("-0.007"))
    desk.account.tick()
    assert "wallet" not in caplog.text


def test_a_wallet_that_does_not_add_up_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = begun({("v", "S"): SPOT})
    desk.answer(balances={"USDT": Decimal(990)}, exchange_ns=AT + 5)
    desk.account.tick()
    desk.account.tick()
    assert caplog.text.count("the venue tells -10.0 more than opening, fills, fees, funding and transfers") == 1


def test_without_instruments_nobody_knows_what_fills_did_to_wallets() -> None:
    desk = begun()
    desk.fill("2", at=5)
    assert desk.account.balance("USDT").highest == 1000
    with pytest.raises(ConfigurationError, match="no instruments"):
        desk.account.identity("USDT")
    assert begun({("v", "S"): SPOT}).account.identity("EUR") is not None
    assert Desk({("v", "S"): SPOT}).account.identity("EUR") is None


# The double buy


@pytest.mark.parametrize("seed", range(4))
def test_a_strategy_that_tops_up_never_buys_twice_whatever_its_feeds_do(seed: int) -> None:
    for number in range(60):  # `make doublebuy` runs 100,000
        Run(f"suite-{seed}-{number}").run()


@pytest.mark.parametrize("seed", ["1-25651", "2-8967"])
def test_a_strategy_that_bought_twice_once_does_not_any_more(seed: str) -> None:
    Run(seed).run()
