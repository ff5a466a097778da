"""Words of venues and libraries for the values of enumerations."""

from enum import Enum, IntEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.record.execution import OrderStatus, Side
from ringbuf.record.fields import ENUMERATIONS
from ringbuf.record.words import SYNONYMS, TABLES, look_up

PARTIALLY_FILLED = "partially_filled PARTIALLY_FILLED partially-filled PARTIALLY-FILLED PartiallyFilled partiallyFilled"

# Each word as some venue, library or standard spells it.
SPELLINGS = {
    "exec_type": {
        "new": "new NEW New",
        "fill": "fill FILL trade TRADE Trade AdlTrade BustTrade BlockTrade partial_fill",
        "calculated": "calculated CALCULATED",
        "done_for_day": "done_for_day DONE_FOR_DAY DoneForDay",
        "cancel_rejected": "cancel_rejected CancelRejected OrderCancelReject cancel_reject",
        "triggered": "triggered TRIGGERED",
        "denied": "denied DENIED",
        "canceled": "canceled CANCELED cancelled Cancelled",
        "replaced": "replaced amended",
        "rejected": "rejected REJECTED",
        "pending_cancel": "pending_cancel PendingCancel PENDING-CANCEL pendingCancel",
        "trade_correct": "trade_correct TradeCorrect",
        "funding": "funding",
    },
    "order_status": {
        "new": "new open OPEN live Live accepted",
        "partially_filled": PARTIALLY_FILLED,
        "filled": "filled FILLED closed Closed",
        "canceled": "canceled cancelled CANCELLED PartiallyFilledCanceled Deactivated",
        "pending_new": "pending_new PENDING_NEW submitted",
        "expired": "expired EXPIRED EXPIRED_IN_MATCH",
        "done_for_day": "done_for_day DoneForDay",
        "pending_cancel": "pending_cancel PENDING_CANCEL PendingCancel canceling CANCELING cancelling cancel_pending",
        "replaced": "replaced REPLACED amended",
        "suspended": "suspended",
        "triggered": "triggered Triggered",
        "denied": "denied",
    },
    "side": {"buy": "buy BUY Buy b B", "sell": "sell SELL Sell s S"},
    "order_type": {
        "market": "market MARKET",
        "limit": "limit Limit",
        "stop": "stop stop_market STOP_MARKET",
        "stop_limit": "stop_limit stop-limit StopLimit STOP_LIMIT",
        "take_profit": "take_profit take_profit_market TAKE_PROFIT_MARKET",
        "trailing_stop": "trailing_stop trailing-stop",
    },
    "time_in_force": {
        "good_till_cancel": "gtc GTC good_till_cancel good_til_cancelled good_till_cancelled GoodTillCancel",
        "immediate_or_cancel": "ioc IOC immediate_or_cancel ImmediateOrCancel",
        "fill_or_kill": "fok FOK fill_or_kill",
        "post_only": "po PO gtx GTX post_only PostOnly postOnly",
        "good_till_date": "gtd GTD",
        "day": "day DAY",
    },
    "liquidity": {"maker": "maker MAKER Maker m M added", "taker": "taker TAKER t T removed"},
    "position_effect": {"open": "open", "close": "close", "reduce_only": "reduce_only reduceOnly ReduceOnly reduce"},
    "margin_mode": {"cash": "cash spot", "cross": "cross crossed CROSSED", "isolated": "isolated ISOLATED"},
    "position_side": {"both": "both BOTH net oneway", "long": "long LONG Long", "short": "short SHORT"},
    "trade_type": {
        "regular": "regular Trade",
        "liquidation": "liquidation LIQUIDATION BustTrade",
        "settlement": "settlement Settle",
        "adl": "adl ADL auto_deleveraging AdlTrade",
        "combo_leg": "combo_leg ComboLeg",
    },
    "quantity_unit": {"base": "base base_ccy", "quote": "quote quote_ccy", "contracts": "contracts contract Cont"},
    "origin": {"live": "live", "lookback": "lookback", "simulated": "simulated", "reconciliation": "reconciliation"},
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_usual_spellings_are_understood_at_once(name: str) -> None:
    for word, spellings in SPELLINGS[name].items():
        for spelling in spellings.split():
            assert TABLES[name][spelling] == ENUMERATIONS[name][word.upper()], spelling
            assert look_up(name, spelling) == TABLES[name][spelling], spelling


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_every_member_its_name_and_its_number_are_understood(name: str) -> None:
    for member in ENUMERATIONS[name]:
        for form in (member, member.value, np.uint8(member), member.name, member.name.lower(), member.name.title()):
            assert look_up(name, form) == member.value


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_both_ways_of_looking_up_agree_on_every_spelling(name: str) -> None:
    for spelling, number in TABLES[name].items():
        assert look_up(name, spelling) == number, spelling


def test_no_synonym_hides_a_word_of_its_own_enumeration() -> None:
    for kind, synonyms in SYNONYMS.items():
        assert not {member.name.lower() for member in kind} & synonyms.keys()


@pytest.mark.parametrize(
    ("spelling", "number"),
    [
        ("  Buy ", 1),
        ("partially  filled", 3),
        ("Partially Filled", 3),
        ("partially__filled", 3),
        ("PARTIALLYFILLED", 3),
    ],
)
def test_unusual_spellings_are_understood_with_a_second_look(spelling: str, number: int) -> None:
    assert look_up("side" if number == 1 else "order_status", spelling) == number


@pytest.mark.parametrize("given", [None, "", " ", 0, "unknown", "UNKNOWN", Side.UNKNOWN])
def test_absent_is_unknown(given: object) -> None:
    assert look_up("side", given) == 0


@pytest.mark.parametrize("given", ["long", "buyy", "_buy", "1", 3, -1, 200, True, False, 1.0, b"buy", [], {}, object()])
def test_what_is_no_word_is_none(given: object) -> None:
    assert look_up("side", given) is None


class ForeignSide(IntEnum):
    SELL = 1
    BUY = 2
    HOLD = 0


ForeignText = Enum("ForeignText", {"LONG": "buy"}, type=str)


def test_of_a_member_of_another_enumeration_the_name_counts_and_not_the_number() -> None:
    assert look_up("side", ForeignSide.SELL) == Side.SELL
    assert look_up("side", ForeignSide.BUY) == Side.BUY
    assert look_up("side", ForeignSide.HOLD) is None
    assert look_up("side", OrderStatus.PENDING_NEW) is None
    assert look_up("side", ForeignText.LONG) == Side.BUY


@given(st.sampled_from(sorted(ENUMERATIONS)), st.text())
def test_any_text_has_a_number_of_its_enumeration_or_none(name: str, text: str) -> None:
    found = look_up(name, text)
    assert found is None or found in ENUMERATIONS[name].__members__.values()
