"""What every adapter does with messages, whatever it reads them as."""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from ringbuf.errors import RecordError
from ringbuf.strategies.adapters.adapter import LISTED, Adapter, Refused, Update
from ringbuf.strategies.inventory import Inventory


class Updates:
    """A target that keeps what it gets; one with the status `rejected` it does not take."""

    def __init__(self) -> None:
        self.taken: list[Update] = []

    def apply(self, update: Update) -> int | None:
        if update["order_status"] == "rejected":
            raise RecordError("the target takes none that is rejected", "give another one")
        self.taken.append(update)
        return len(self.taken) if update["order_status"] == "filled" else None


def read(message: Any) -> list[Update | Refused]:
    if not isinstance(message, dict):
        raise RecordError(f"{message!r} is no message", "give a mapping")
    if "part" in message:
        return [{"order_status": "new", "symbol": "X"}, Refused("part", "a part is missing", "part")]
    return [{"order_status": status, "symbol": "X"} for status in message["statuses"]]


def adapter(target: Any) -> Adapter:
    return Adapter(target, exchange="venue", account="A1", strategy="mm")


def test_each_update_goes_to_the_target_with_what_is_bound_and_given() -> None:
    target = Updates()
    answers = adapter(target).deliver(read, [{"statuses": ["new", "filled"]}], origin="lookback")
    bound = {"exchange": "venue", "account": "A1", "strategy": "mm", "origin": "lookback", "symbol": "X"}
    assert target.taken == [{**bound, "order_status": "new"}, {**bound, "order_status": "filled"}]
    assert answers == [2]


def test_what_a_message_tells_itself_counts_more_than_what_is_bound() -> None:
    target = Updates()
    own = {"order_status": "new", "strategy": "other", "origin": "live"}
    adapter(target).deliver(lambda _: [own], {}, origin="lookback", symbol="X")
    assert target.taken == [{"exchange": "venue", "account": "A1", "symbol": "X", **own}]


def test_one_message_may_come_without_a_list() -> None:
    target = Updates()
    adapter(target).deliver(read, {"statuses": ["new"]})
    assert len(target.taken) == 1


class Told(NamedTuple):
    status: str


@pytest.mark.parametrize("message", [b"text", bytearray(b"text"), Told("new")])
def test_bytes_and_a_named_tuple_are_one_message(message: Any) -> None:
    target = Updates()
    adapter(target).deliver(lambda each: [{"order_status": "new", "symbol": "X", "text": each}], message)
    assert [each["text"] for each in target.taken] == [message]


def broken() -> Iterator[Any]:
    yield {"statuses": ["new"]}
    raise OSError("the connection is gone")


@pytest.mark.parametrize("messages", [None, 7, "new", b"new", [None], [{}], broken()])
def test_what_cannot_be_kept_is_listed_and_counted_and_raises_nothing(messages: Any) -> None:
    own = adapter(Updates())
    own.deliver(read, messages)
    assert len(own.refused) == own.refusals.total() == 1


def test_what_the_target_does_not_take_holds_nothing_else_up() -> None:
    target = Updates()
    own = adapter(target)
    own.deliver(read, [{"statuses": ["new", "rejected", "filled"]}, {"part": 1}, None, {"statuses": ["new"]}])
    assert [each["order_status"] for each in target.taken] == ["new", "filled", "new", "new"]
    assert own.refusals == {"give another one": 1, "part": 1, "give a mapping": 1}
    assert [each.why for each in own.refused] == [
        "the target takes none that is rejected; give another one",
        "a part is missing",
        "None is no message; give a mapping",
    ]


def test_what_cannot_be_kept_is_logged_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    own = adapter(Updates())
    with caplog.at_level(logging.WARNING):
        own.deliver(read, [None] * (LISTED + 5))
        own.deliver(read, [{}, {}])
    assert [each.getMessage().partition(";")[0] for each in caplog.records] == [
        "venue/A1: None is no message",
        "venue/A1: KeyError: 'statuses'",
    ]
    assert own.refusals == {"give a mapping": LISTED + 5, "KeyError": 2}
    assert len(own.refused) == LISTED


def test_an_interruption_is_no_message_and_passes() -> None:
    def interrupted(message: Any) -> list[Update]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapter(Updates()).deliver(interrupted, {})


def test_an_inventory_is_a_target() -> None:
    inventory = Inventory()
    own = adapter(inventory)
    update = {"symbol": "X", "order_id": "1", "order_status": "new", "side": "buy", "quantity": "2"}
    own.deliver(lambda _: [update], {})
    assert not own.refused
    assert inventory.position("venue", "A1", "X").open_buy == 2
