"""What a venue tells of an account: a balance, a position, a transfer, or all of it in an answer."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from ringbuf.errors import RecordError
from ringbuf.record.value import shown
from ringbuf.strategies.bound_recorder import Number, Time


class BalanceUpdate(NamedTuple):
    """What the venue tells of one currency's wallet; `exchange_ns` is 0 if it tells no time.

    Quantities are numbers or their text, as the venue sends them, and times what records take; also in other events.
    """

    currency: str
    quantity: Number
    exchange_ns: Time = 0


class PositionUpdate(NamedTuple):
    """What the venue tells of one position, signed; in hedge mode with its `position_side`, as records take it."""

    symbol: str
    quantity: Number
    exchange_ns: Time = 0
    position_side: str = ""


class Transfer(NamedTuple):
    """A deposit, or with a minus a withdrawal. One of a currency that is told again with its id counts once.

    An id is the same as a number and as its text.
    """

    currency: str
    amount: Number
    transfer_id: str | int
    exchange_ns: Time = 0


class Snapshot(NamedTuple):
    """The venue's answer to a question: it replaces all that was told of its kind, and what it lacks is 0.

    Attributes:
        asked_ns: what `Account.asking` gave before the venue was asked.
        balances: by currency; None if they were not asked for.
        positions: by symbol, or symbol and position side; likewise.
    """

    asked_ns: int
    balances: Mapping[str, Number] | None = None
    positions: Mapping[Any, Number] | None = None
    exchange_ns: Time = 0


Event: TypeAlias = BalanceUpdate | PositionUpdate | Transfer | Snapshot


def check_event(event: object) -> None:
    """Refuse what is no event; its quantities and times are read by who takes it.

    Raises:
        RecordError: it is none, names no currency or position, a transfer has no id, or a snapshot does not say when it
            was asked for.
    """
    if not isinstance(event, Event):
        raise RecordError(f"{shown(event)} is no event", "give a BalanceUpdate, PositionUpdate, Transfer or Snapshot")
    if isinstance(event, BalanceUpdate | Transfer):
        _check_currency(event.currency)
    if isinstance(event, PositionUpdate):
        _check_position(event.symbol, event.position_side)
    if isinstance(event, Transfer):
        _check_id(event.transfer_id)
    if isinstance(event, Snapshot):
        _check_snapshot(event)


def _check_snapshot(answer: Snapshot) -> None:
    asked_ns: object = answer.asked_ns
    if not isinstance(asked_ns, int):
        raise RecordError(f"{shown(asked_ns)} is no time of a question", "give what asking() gave before it")
    for name, told in (("balances", answer.balances), ("positions", answer.positions)):
        if told is not None and not isinstance(told, Mapping):
            raise RecordError(f"{name} of a snapshot are {shown(told)}", "give a mapping to quantities")
    for currency in answer.balances or ():
        _check_currency(currency)
    for key in answer.positions or ():
        _check_position(*(key if isinstance(key, tuple) and len(key) == len(("symbol", "side")) else (key, "")))


def _check_position(symbol: object, position_side: object) -> None:
    if not (isinstance(symbol, str) and isinstance(position_side, str | int | None)):
        raise RecordError(f"{shown(symbol)} names no position", "give a symbol, or symbol and position side")


def _check_id(transfer_id: object) -> None:
    if not (isinstance(transfer_id, str | int) and transfer_id):
        raise RecordError(f"{shown(transfer_id)} is no id of a transfer", "give the venue's, so that it counts once")


def _check_currency(currency: object) -> None:
    if not isinstance(currency, str):
        raise RecordError(f"{shown(currency)} is no currency", "give its name as text")
