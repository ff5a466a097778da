"""What is asked after a disconnect, what is concluded from the answers, and what is not."""

import time
from asyncio import CancelledError
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ringbuf.record.enumerations import OrderStatus
from ringbuf.strategies.inventory import Instrument, Position
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation import (
    NO_SUCH_ORDER,
    Answer,
    Difference,
    Failure,
    Reconciliation,
    VenueQueries,
    reconcile,
)
from ringbuf.strategies.venues import ID_FORMATS, OPEN_ORDERS, id_format, open_orders
from ringbuf.trading.delta import Delta

Update = dict[str, Any]
WHOSE = {"exchange": "okx", "account": "A1", "strategy": "mm"}
ORDER = {"symbol": "BTC", "order_id": "o1", "client_order_id": "c1", "side": "buy"}
NEW = ORDER | {"exec_type": "new", "order_status": "new", "quantity": 5, "cumulative_quantity": 0}


def fill(number: int, quantity: object = 1, **more: object) -> Update:
    traded = {"trade_id": f"t{number}", "last_quantity": quantity, "last_price": 100 + number}
    return ORDER | {"exec_type": "fill", "commission": "0.1", "commission_currency": "USD"} | traded | more


def state(total: object, status: str = "partially_filled", **more: object) -> Update:
    return ORDER | {"exec_type": "order_status", "order_status": status, "cumulative_quantity": total} | more


def opened(*updates: Update) -> OrderPages:
    pages = OrderPages()
    for each in updates:
        pages.apply(WHOSE | each)
    return pages


def asked(pages: OrderPages, whose: dict[str, str] = WHOSE, **answers: Any) -> Reconciliation:
    """Reconcile with these answers: values, or functions."""
    given = {"open_orders": [], "trades": []} | answers
    functions: dict[str, Any] = {}
    for name, answer in given.items():
        functions[name] = answer if callable(answer) else lambda *_, answer=answer: answer
    return reconcile(pages, VenueQueries(**functions), **whose)


def in_turn(*answers: Any) -> Callable[..., Any]:
    """Gives one answer after another; raises those that are errors."""
    left = list(answers)

    def ask(*_: Any) -> Any:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return ask


def position(pages: OrderPages) -> Position:
    return pages.inventory.position("okx", "A1", "BTC")


def page_of(pages: OrderPages) -> Any:
    return pages.page("okx", "A1", "BTC", order_id="o1")


def test_missed_fills_come_as_records_of_a_look_back_and_handlers_are_told() -> None:
    pages = opened(NEW, fill(1))
    told: list[Delta] = []
    pages.on_delta(told.append)
    found = asked(pages, open_orders=[state(3)], trades=[fill(1), fill(2), fill(3)], positions={"BTC": "3"})
    assert found.is_sure
    assert [(each["trade_id"], each["origin"]) for each in found.updates if "trade_id" in each] == [
        ("t2", "lookback"),
        ("t3", "lookback"),
    ]
    assert found.inferred == []
    assert position(pages) == Position(Decimal(3), open_buy=Decimal(2))
    assert sum(each.traded for each in told) == 2


def test_what_only_the_total_tells_is_inferred_and_gives_way_to_the_real_fills() -> None:
    pages = opened(NEW, fill(1))
    found = asked(pages, open_orders=[state(4, average_price="101.5", exchange_ns=1_790_000_000_000_000_000)])
    (inferred,) = found.inferred
    assert (inferred["last_quantity"], inferred["cumulative_quantity"], inferred.get("last_price")) == (3, 4, None)
    assert (inferred["trade_type"], inferred["origin"], inferred["text"]) == (
        "inferred", "reconciliation", "total 4, fills 1",
    )  # fmt: skip
    assert position(pages) == Position(Decimal(4), open_buy=Decimal(1))
    assert asked(pages, open_orders=[state(4, exchange_ns=1_790_000_000_000_000_000)]).updates == []
    for number in (3, 2):
        pages.apply(WHOSE | fill(number, "1.5"))
        assert position(pages).quantity == 4
    (sums,) = pages.inventory.sums().values()
    assert (sums.fills, sums.unpriced, sums.commissions) == (3, 0, {"USD": Decimal("0.3")})


def test_an_inferred_fill_is_the_same_whoever_makes_it() -> None:
    one = asked(opened(NEW), open_orders=[state("2.50")])
    other = asked(opened(), open_orders=[state(2.5)])
    assert one.inferred[0]["trade_id"] == other.inferred[0]["trade_id"]
    more = asked(opened(NEW), open_orders=[state(3)])
    assert one.inferred[0]["trade_id"] != more.inferred[0]["trade_id"]


def test_an_order_that_is_inferred_as_a_whole_has_the_average_price_that_the_venue_tells() -> None:
    assert asked(opened(NEW), open_orders=[state(2, average_price="101.5")]).inferred[0]["last_price"] == "101.5"
    assert "last_price" not in asked(opened(NEW), open_orders=[state(2, average_price="0")]).inferred[0]
    assert "last_price" not in asked(opened(NEW), open_orders=[state(2, average_price="?")]).inferred[0]


def test_an_order_whose_total_is_not_the_sum_of_its_fills_is_in_doubt_and_stays_open() -> None:
    pages = opened(NEW, fill(1), ORDER | {"exec_type": "trade_cancel", "trade_id": "t1"})
    found = asked(pages, open_orders=[state(2)])
    assert found.inferred == []
    assert [each.why for each in found.doubts] == [
        "fills are awaited of an order whose total is not the sum of its fills"
    ]
    assert position(pages) == Position(open_buy=Decimal(5), awaited_buy=Decimal(2))


@pytest.mark.parametrize("bad", [None, TimeoutError("no answer"), CancelledError("no answer"), ["no update"], 7])
def test_a_failed_query_is_no_empty_answer(bad: Any, caplog: pytest.LogCaptureFixture) -> None:
    pages = opened(NEW, fill(1))
    before = page_of(pages)
    found = asked(pages, open_orders=in_turn(bad))
    assert page_of(pages) == before
    assert [(each.page, each.why) for each in found.doubts] == [(before, "the open orders are not known")]
    assert [each.query for each in found.failures] == ["open_orders"]
    assert found.updates == []
    assert not found.is_sure
    if isinstance(bad, BaseException):
        assert "nothing is concluded from it" in caplog.text
        assert found.failures == [Failure("open_orders", f"{type(bad).__name__}: no answer")]


def test_without_the_trades_it_is_not_known_whether_an_order_was_filled() -> None:
    pages = opened(NEW)
    for answer in (None, OSError("away")):
        found = asked(pages, trades=in_turn(answer))
        assert [each.why for each in found.doubts] == ["it is not listed, and whether it was filled is not known"]
    assert position(pages).open_buy == 5
    awaiting = opened(NEW, state(2))
    found = asked(awaiting, open_orders=[state(2)], trades=in_turn(None))
    assert [each.why for each in found.doubts] == ["fills are awaited, and the trades are not known"]
    found = asked(awaiting, trades=in_turn(None))  # in doubt for two reasons, and listed once
    assert len(found.doubts) == 1
    assert position(awaiting).quantity == 0


def test_an_order_that_is_not_listed_twice_is_over_as_its_trades_say() -> None:
    pages = opened(NEW)
    found = asked(pages, trades=[fill(1, 2)])
    assert [(each["order_status"], each["origin"]) for each in found.ended] == [("canceled", "reconciliation")]
    assert (page_of(pages).status, page_of(pages).executed) == (OrderStatus.CANCELED, 2)
    assert asked(pages, trades=[fill(1, 2)]).updates == []
    filled = opened(NEW)
    asked(filled, trades=[fill(1, 5)])
    assert page_of(filled).status is OrderStatus.FILLED


def test_an_order_that_one_of_two_answers_lists_works() -> None:
    pages = opened(NEW)
    found = asked(pages, open_orders=in_turn([], [NEW]))
    assert found.is_sure
    assert page_of(pages).status is OrderStatus.NEW


def test_an_order_is_found_in_the_list_by_either_id() -> None:
    by_client_id = {**NEW, "order_id": None}
    assert asked(opened(NEW), open_orders=[by_client_id]).is_sure
    request = ORDER | {"order_id": "", "exec_type": "pending_new", "order_status": "pending_new", "quantity": 5}
    pages = opened(request)
    assert asked(pages, open_orders=[NEW]).is_sure
    assert page_of(pages).client_order_id == "c1"


def test_an_order_that_works_again_and_is_gone_again_is_over_again() -> None:
    pages = opened(NEW | {"exchange_ns": 1_790_000_000_000_000_000})
    assert [each["order_status"] for each in asked(pages).ended] == ["canceled"]
    pages.apply(WHOSE | NEW | {"exec_type": "replaced", "exchange_ns": 1_790_000_000_000_000_001})  # it came late
    assert page_of(pages).open == 5
    found = asked(pages)
    assert (len(found.ended), page_of(pages).is_over, page_of(pages).open) == (1, True, 0)
    assert asked(pages).updates == []


def test_an_order_of_which_a_trade_was_taken_back_is_over_when_it_is_not_listed() -> None:
    bust = ORDER | {"exec_type": "trade_cancel", "trade_id": "t1", "order_status": "new", "cumulative_quantity": 0}
    pages = opened(NEW, fill(1, 5), state(5, "filled"), bust, fill(2, 5))
    assert not page_of(pages).is_over
    assert len(asked(pages).ended) == 1
    assert page_of(pages).is_over
    assert asked(pages).updates == []


def test_an_order_whose_totals_go_on_from_another_one_is_over_when_it_is_not_listed() -> None:
    replaced = NEW | {"exec_type": "replaced", "orig_client_order_id": "c0", "cumulative_quantity": 2}
    pages = opened(replaced, fill(1, 3))
    assert not page_of(pages).is_over
    assert len(asked(pages).ended) == 1
    assert page_of(pages).is_over
    assert page_of(pages).executed == position(pages).quantity == 3
    assert asked(pages).updates == []


def test_an_order_that_is_listed_after_all_works_again() -> None:
    pages = opened(NEW)
    assert len(asked(pages).ended) == 1  # the list was behind
    found = asked(pages, open_orders=[NEW])
    assert ([each["exec_type"] for each in found.updates], found.is_sure) == (["restated"], True)
    assert page_of(pages).open == 5
    assert asked(pages, open_orders=[NEW]).updates == []


def test_an_order_that_a_list_tells_of_and_that_ended_later_is_in_doubt() -> None:
    new = NEW | {"exchange_ns": 1_790_000_000_000_000_000}
    pages = opened(new, state(0, "canceled", exchange_ns=1_790_000_000_000_000_001))
    for _ in range(2):
        found = asked(pages, open_orders=[new])
        assert [each.why for each in found.doubts] == ["the venue lists it, and here it is over"]
        assert page_of(pages).is_over
    assert asked(pages).is_sure


@pytest.mark.parametrize("told", [{}, {"commission": "0.2", "commission_currency": "USD"}])
def test_a_change_of_a_trade_that_was_there_before_is_no_news(told: dict[str, str]) -> None:
    pages = opened(NEW, fill(1), fill(2))
    about = ORDER | {"order_status": "partially_filled"}
    bust = about | {"exec_type": "trade_cancel", "trade_id": "t1", "cumulative_quantity": 1}
    correction = about | {"exec_type": "trade_correct", "trade_id": "t2", "last_quantity": "0.5"}
    trades = [fill(1), fill(2), bust, correction | told]
    for number in (2, 0):
        found = asked(pages, open_orders=[state("0.5")], trades=trades)
        assert len([each for each in found.updates if "trade_id" in each]) == number
        assert position(pages).quantity == Decimal("0.5")


def test_a_position_that_differs_speaks_against_every_conclusion() -> None:
    pages = opened(NEW)
    found = asked(pages, positions={"BTC": 2})
    assert found.differences == [Difference(Instrument("okx", "A1", "BTC"), Decimal(0), Decimal(2))]
    assert [each.why for each in found.doubts] == ["it is not listed, and the position is not the venue's"]
    assert position(pages).open_buy == 5
    found = asked(pages, positions=in_turn(None))
    assert [each.why for each in found.doubts] == ["it is not listed, and the positions are not known"]
    assert asked(pages, positions={"BTC": "x"}).failures[0].query == "positions"
    assert asked(pages, positions={}).ended


def test_a_request_that_the_venue_never_named_stays_open() -> None:
    pages = opened(ORDER | {"order_id": "", "exec_type": "pending_new", "order_status": "pending_new", "quantity": 5})
    for found in (asked(pages), asked(pages, order=NO_SUCH_ORDER)):
        (doubt,) = found.doubts
        assert doubt.why == "the venue never named it: the request may still be on its way"
    assert position(pages).open_buy == 5
    pages.apply(WHOSE | {"symbol": "BTC", "client_order_id": "c1", "order_status": "rejected"})
    assert position(pages).open_buy == 0
    assert asked(pages).is_sure
    pages.apply(WHOSE | NEW)  # it was on its way after all
    assert position(pages).open_buy == 5


@pytest.mark.parametrize("exchange", ["dydx", "somewhere"])
def test_where_a_list_says_nothing_the_order_stays_open(exchange: str) -> None:
    whose = WHOSE | {"exchange": exchange}
    pages = OrderPages()
    pages.apply(whose | NEW)
    (doubt,) = asked(pages, whose).doubts
    assert doubt.why == "it is not listed, which says nothing at this venue"


def test_the_query_of_one_order_decides() -> None:
    pages = opened(NEW)
    found = asked(pages, order=state(2, "canceled", quantity=5), trades=[fill(1, 2)])
    assert found.is_sure
    assert (page_of(pages).status, found.ended) == (OrderStatus.CANCELED, [])
    works = opened(NEW)
    assert asked(works, order=NEW).is_sure
    assert page_of(works).open == 5
    assert asked(works, order=[fill(1)]).ended  # a fill alone says nothing of its state now


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "it is not listed, and the query of it was not answered"),
        ([], "it is not listed, and the query of it was not answered"),
        (OSError("away"), "it is not listed, and the query of it was not answered"),
        ({**NEW, "order_status": "hibernating"}, "it is not listed, and the query of it was not answered"),
    ],
)
def test_a_query_of_one_order_that_fails_leaves_it_open(answer: Any, why: str) -> None:
    pages = opened(NEW)
    (doubt,) = asked(pages, order=in_turn(answer)).doubts
    assert (doubt.why, doubt.page.open) == (why, Decimal(5))


def test_no_such_order_means_over_where_the_venue_forgets_what_ended_without_a_fill() -> None:
    old = NEW | {"exchange_ns": 1_600_000_000_000_000_000}
    assert asked(opened(old), order=NO_SUCH_ORDER).ended
    why = "it is not listed, and the venue knows no such order, though it named it"
    for known in ([old, fill(1)], [NEW], [NEW | {"exchange_ns": time.time_ns()}]):
        assert [each.why for each in asked(opened(*known), order=NO_SUCH_ORDER).doubts] == [why]
    deribit = WHOSE | {"exchange": "deribit"}
    pages = OrderPages()
    pages.apply(deribit | old)
    assert [each.why for each in asked(pages, deribit, order=NO_SUCH_ORDER).doubts] == [why]


def test_an_open_order_that_cannot_be_read_makes_the_list_incomplete() -> None:
    pages = opened(NEW)
    found = asked(pages, open_orders=[{"symbol": "BTC", "order_status": "new"}])
    assert [each.why for each in found.doubts] == ["the open orders are not known"]
    assert len(found.refused) == 1


def test_a_fill_that_nothing_tells_from_others_is_refused() -> None:
    pages = opened(NEW)
    found = asked(pages, open_orders=[NEW], trades=[fill(1, trade_id="")])
    assert [why for _, why in found.refused] == ["nothing tells this fill from others: it would count each time"]
    assert position(pages).quantity == 0


def test_an_order_that_is_not_known_here_is_taken_over() -> None:
    pages = opened()
    found = asked(pages, open_orders=[NEW | {"order_id": "o9", "client_order_id": ""}])
    assert found.is_sure
    assert position(pages) == Position(open_buy=Decimal(5))


def test_positions_of_both_sides_are_shown_where_they_differ() -> None:
    pages = opened(NEW, fill(1, position_side="long"), fill(2, side="sell", position_side="short", order_id="o2"))
    long, short = (Instrument("okx", "A1", "BTC", side) for side in ("long", "short"))
    found = asked(pages, open_orders=[NEW], positions={long: 1, short: "-2"})
    assert found.differences == [Difference(short, Decimal(-1), Decimal(-2))]
    assert asked(pages, open_orders=[NEW], positions={long: Decimal(1)}).differences == [
        Difference(short, Decimal(-1), Decimal(0))
    ]


def test_orders_and_positions_of_others_are_left_alone() -> None:
    pages = opened(NEW, NEW | {"symbol": "ETH", "order_id": "e1"}, fill(1, symbol="ETH", order_id="e1"))
    pages.apply({**WHOSE, "account": "A2", **NEW})
    queries = VenueQueries(open_orders=list, trades=list, positions=dict)
    found = reconcile(pages, queries, exchange="okx", account="A1", symbols=["BTC"])
    assert [each["symbol"] for each in found.ended] == ["BTC"]
    assert found.is_sure
    assert [each.key[1:3] for each in pages.open_pages()] == [("A1", "ETH"), ("A2", "BTC")]


def test_payments_of_funding_among_the_trades_count_once() -> None:
    paid = {"symbol": "BTC", "exec_type": "funding", "trade_id": "f1", "commission": 2, "commission_currency": "USD"}
    pages = opened(NEW)
    assert len(asked(pages, open_orders=[NEW], trades=[paid]).updates) == 1
    assert asked(pages, open_orders=[NEW], trades=[paid]).updates == []


def test_an_adapter_can_make_the_answer() -> None:
    answer = Answer()
    answer.apply(NEW)
    assert asked(opened(NEW), open_orders=answer).known == 1


def test_a_venue_may_be_spelled_as_an_adapter_spells_it() -> None:
    for name in ("binance_futures", "Binance-Futures", "bybit_spot"):
        assert open_orders(name) is OPEN_ORDERS[name.lower().replace("_", "-")]
        assert id_format(name) is ID_FORMATS[name.lower().replace("_", "-")]


def test_every_row_of_the_table_has_a_source_and_a_name_that_the_ids_have_too() -> None:
    assert all(each.source.startswith("https://") and each.queries for each in OPEN_ORDERS.values())
    assert OPEN_ORDERS.keys() <= ID_FORMATS.keys()
