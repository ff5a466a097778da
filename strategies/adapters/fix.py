"""FIX execution reports and order cancel rejects, from a session's callback or a log. FIX 4.0 to 5.0.

The record is modelled on the FIX 4.4 ExecutionReport, so nearly every field is taken as it is. Source:
https://www.onixs.biz/fix-dictionary/4.4/msgtype_8_8.html, https://www.onixs.biz/fix-dictionary/4.4/msgtype_9_9.html and
for 4.2 https://www.onixs.biz/fix-dictionary/4.2/msgtype_8_8.html.

ExecID (17) is the id of the trade where there is no TradeID (1003), else that of the report. What was possibly sent
before (43, 97) is told once more, so it is a look-back. MsgSeqNum (34) counts what one session sent, and a drop copy
has another one, so it is not taken.
"""

import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.record.value import shown
from ringbuf.strategies.adapters import fix_groups, fix_log, fix_words
from ringbuf.strategies.adapters.adapter import Refused, Update
from ringbuf.strategies.adapters.fix_groups import Tags
from ringbuf.strategies.adapters.latest import Latest
from ringbuf.strategies.adapters.message import plain
from ringbuf.strategies.adapters.stream import StreamAdapter
from ringbuf.strategies.adapters.value import decimal, finished, told, word
from ringbuf.trading.number import EXACT, ZERO
from ringbuf.trading.states import NO_ID

EXECUTION_REPORT: Final = "8"
ORDER_CANCEL_REJECT: Final = "9"
REJECTS: Final = {"3": "Reject", "j": "BusinessMessageReject"}
LEG: Final = "2"
"""MultiLegReportingType (442): the report is of one leg."""
OF_TRADES: Final = frozenset({"fill", "trade_correct", "trade_cancel"})
OF_ITS_FILLS: Final = (
    "account", "symbol", "side", "order_id", "client_order_id", "exchange_ns", "quantity_unit", "position_id", "origin",
)  # fmt: skip
"""What a report tells of the fills in it."""
KNOWN_ORDERS: Final = 100_000
"""Of so many ids of orders it is known for which instrument they are, for rejects, which do not tell it."""

_TIME: Final = re.compile(r"([0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?")


def updates(message: object) -> list[Update | Refused]:
    """What a message says: an update of an execution report or a cancel reject, none of any other message.

    Args:
        message: its bytes or text, with SOH or another separator, a line of a log for one; a mapping of tags to values;
            a message of simplefix; or one of QuickFIX, or anything else whose `toString()` gives the text.

    Returns:
        The updates. Of a text with several messages those of each, and of what is torn or altered in it why.

    Raises:
        RecordError: it is no message, is torn or altered, or refuses a message of ours that is no cancel: that names no
            instrument.
        ConfigurationError: simplefix is not installed.
    """
    if hasattr(message, "toString"):
        message = message.toString()
    if not isinstance(message, str | bytes | bytearray):
        return _updates(_pairs(message))
    found = list(fix_log.messages([bytes(message) if isinstance(message, bytearray) else message]))
    if not found:
        raise RecordError(f"{shown(message)} has no FIX message", "give one, or its tags with their values")
    if len(found) == 1:
        return _of_part(found[0])
    return [update for each in found for update in _of_one_of_several(each)]


def _of_part(part: bytes | Refused) -> list[Update | Refused]:
    if isinstance(part, Refused):
        raise RecordError(part.why, part.kind)
    return _updates(_pairs(_parsed(part)))


def _of_one_of_several(part: bytes | Refused) -> list[Update | Refused]:
    """What cannot be kept of one does no harm to the others."""
    try:
        return _of_part(part)
    except RecordError as error:
        return [part if isinstance(part, Refused) else Refused(part, str(error), error.hint)]


def _updates(pairs: list[tuple[str, str]]) -> list[Update | Refused]:
    tags = dict(reversed(pairs))
    kind = tags.get("35")
    if kind == EXECUTION_REPORT:
        report = execution_report(tags, fix_groups.fees(pairs))
        return [*_fills_in(report, fix_groups.fills(pairs)), report]
    if kind == ORDER_CANCEL_REJECT:
        return [order_cancel_reject(tags)]
    if kind in REJECTS:
        about = tags.get("379") or tags.get("45") or ""
        raise RecordError(
            f"{REJECTS[kind]} of {about!r}: {tags.get('58', '')}", f"a {REJECTS[kind]} tells no order and no instrument"
        )
    return []


def execution_report(tags: Tags, fees: Iterable[Tags] = ()) -> Update:
    """An ExecutionReport (8).

    Args:
        fees: the tags of each entry of NoMiscFees (136).
    """
    exec_type = _exec_type(tags)
    update = _common(tags) | told(
        exec_type=exec_type,
        symbol=tags.get("55") or tags.get("48"),
        side=word(fix_words.SIDES, tags.get("54")),
        order_type=word(fix_words.ORDER_TYPES, tags.get("40")),
        time_in_force=_time_in_force(tags),
        position_effect=word(fix_words.POSITION_EFFECTS, tags.get("77")),
        price=tags.get("44"),
        stop_price=tags.get("99"),
        quantity=tags.get("38") or tags.get("152"),
        quantity_unit=_quantity_unit(tags),
        cumulative_quantity=tags.get("14"),
        leaves_quantity=tags.get("151"),
        average_price=tags.get("6"),
        position_id=tags.get("2618") or tags.get("721"),  # cTrader calls it PosMaintRptID
        ref_id=tags.get("19"),
    )
    if exec_type == "fill":
        update |= _fill(tags)
        if update.get("order_status") in ("new", "partially_filled") and _is_whole(tags):
            update["order_status"] = "filled"
    else:
        update |= told(report_id=tags.get("17"), trade_id=_trade_id(tags))
    if exec_type in OF_TRADES:
        update |= told(last_price=_last_price(tags), last_quantity=tags.get("32")) | _commissions(tags, fees)
    words = {"exec_type": "150", "order_status": "39", "side": "54", "order_type": "40", "time_in_force": "59"}
    return finished(update, **{name: tags.get(tag) for name, tag in words.items()})


def _fills_in(report: Update, fills: Iterable[Tags]) -> list[Update]:
    """The fills in a report of an order's state, as Deribit tells them; a report of a trade tells their sum."""
    if report.get("exec_type") in OF_TRADES:
        return []
    names = {name: value for name, value in report.items() if name in OF_ITS_FILLS}
    told_fills = [
        told(
            exec_type="fill",
            trade_id=fill["1363"],
            last_price=fill.get("1364"),
            last_quantity=fill.get("1365"),
            liquidity=word(fix_words.LIQUIDITY, fill.get("1443")),
        )
        for fill in fills
    ]
    return [finished(names | each) for each in told_fills]


def order_cancel_reject(tags: Tags) -> Update:
    """An OrderCancelReject (9): a request to cancel or replace is refused. It tells no symbol: see `FixAdapter`."""
    update = _common(tags) | told(exec_type="cancel_rejected", symbol=tags.get("55"), report_id=tags.get("17"))
    return finished(update, order_status=tags.get("39"))


class FixAdapter(StreamAdapter):
    """Takes messages of a FIX session, its drop copies, or logs.

    A cancel reject tells no instrument. It is that of the order, which was named in an earlier report.

    Raises:
        ConfigurationError: simplefix is not installed.
    """

    def __init__(self, target: Any, *, exchange: str, account: str, strategy: str) -> None:
        _simplefix()
        super().__init__(target, exchange=exchange, account=account, strategy=strategy)
        self._symbols = Latest[tuple[str, str], str](KNOWN_ORDERS)

    def log(self, log: str | os.PathLike[str] | Iterable[bytes | str], **given: Any) -> int:
        """Take all messages of a log, as a look-back. What is torn or altered is listed.

        Args:
            log: the path of a file, or its lines.
            given: fields of each update that does not tell its own.

        Returns:
            How many messages there were of orders and trades.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        if isinstance(log, str | os.PathLike):
            try:
                with open(log, "rb") as lines:
                    return self.log(lines, **given)
            except OSError as error:
                raise ConfigurationError(f"{log}: {error.strerror}", "name a log that can be read") from error
        taken = 0
        for message in fix_log.messages(log):
            if isinstance(message, Refused):
                self.refuse(message)
            else:
                self.receive(message, **({"origin": "lookback"} | given))
                taken += b"\x0135=8\x01" in message or b"\x0135=9\x01" in message
        return taken

    def updates(self, message: Any) -> list[Update | Refused]:
        """See `updates` of this module; an update that tells no symbol gets that of its order."""
        found = updates(message)
        for update in found:
            if isinstance(update, Refused):
                continue
            names = ("order_id", "client_order_id", "orig_client_order_id")
            told_ids = [(name.removeprefix("orig_"), update[name]) for name in names if name in update]
            ids = [each for each in told_ids if each[1] not in NO_ID]
            if "symbol" in update:
                for each in ids:
                    self._symbols[each] = update["symbol"]
            else:
                update |= told(symbol=next((self._symbols[each] for each in ids if each in self._symbols), None))
        return found


def time_ns(given: str | None) -> int | str | None:
    """Ns since the epoch of a UTCTimestamp (`20260102-03:04:05.678`); what is none is given back as it is."""
    found = _TIME.fullmatch(given or "")
    if found is None:
        return given
    try:
        whole = datetime.strptime(found[1], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return given
    return int(whole.timestamp()) * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))


def _common(tags: Tags) -> Update:
    """What an execution report and a cancel reject tell alike."""
    is_repeated = "Y" in (tags.get("43"), tags.get("97"))
    return told(
        account=tags.get("1"),
        order_status=word(fix_words.STATUSES, tags.get("39")),
        order_id=tags.get("37"),
        client_order_id=tags.get("11"),
        orig_client_order_id=tags.get("41"),
        exchange_ns=time_ns(tags.get("60") or tags.get("122") or tags.get("52")),
        origin="lookback" if is_repeated else None,
        text=_text(tags),
    )


def _fill(tags: Tags) -> Update:
    trade_id, exec_id = _trade_id(tags), tags.get("17")
    liquidity = word(fix_words.LIQUIDITY, tags.get("851")) or word(fix_words.AGGRESSORS, tags.get("1057"))
    return told(
        trade_id=trade_id or exec_id,
        report_id=exec_id if trade_id else None,
        trade_type="combo_leg" if tags.get("442") == LEG else word(fix_words.TRADE_TYPES, tags.get("828")),
        liquidity=liquidity,
        last_market=tags.get("30"),
        quote_quantity=tags.get("381"),
    )


def _trade_id(tags: Tags) -> str | None:
    """TradeID (1003), which is something else in reports of cTrader. They have no ExecID (17), which FIX asks of all.

    https://help.ctrader.com/fix/specification/
    """
    return tags.get("1003") if "17" in tags else None


def _last_price(tags: Tags) -> str | None:
    """LastPx (31); cTrader tells none. The price of the first fill of an order is the average one."""
    is_first = "32" in tags and decimal(tags.get("14")) == decimal(tags["32"])
    return tags.get("31") or (tags.get("6") if is_first else None)


def _exec_type(tags: Tags) -> str | None:
    """What is reported; up to FIX 4.2 ExecTransType says a part of it, and in 4.0 there is no ExecType.

    What is told of a stopped order may be shares that are guaranteed: its total does not have those yet.
    """
    transaction = word(fix_words.TRANSACTIONS, tags.get("20"))
    if transaction is not None:
        return transaction
    quantity = decimal(tags.get("32"))
    if "150" in tags:
        found = word(fix_words.EXEC_TYPES, tags["150"])
        return "order_status" if found == "fill" and quantity == 0 else found
    found = word(fix_words.EXEC_TYPES, tags.get("39"))
    total = decimal(tags.get("14"))
    is_guaranteed = found == "stopped" and quantity is not None and total is not None and total < quantity
    if quantity and not is_guaranteed:
        return "fill"
    return "order_status" if found == "fill" else found


def _is_whole(tags: Tags) -> bool:
    """Whether all was filled. BitGo calls that partially filled until another report says that it is filled.

    https://developers.bitgo.com/reference/tradefixtradingexecutionreport/
    """
    ordered = decimal(tags.get("38"))
    return bool(ordered) and decimal(tags.get("14")) == ordered and decimal(tags.get("151")) == 0


def _time_in_force(tags: Tags) -> str | None:
    is_passive = fix_words.PARTICIPATE_ONLY in tags.get("18", "").split(" ")
    return "post_only" if is_passive else word(fix_words.TIMES_IN_FORCE, tags.get("59"))


def _quantity_unit(tags: Tags) -> str | None:
    """CashOrderQty (152) is an amount of money."""
    is_money = "38" not in tags and "152" in tags
    return "quote" if is_money else word(fix_words.QUANTITY_UNITS, tags.get("854"))


def _text(tags: Tags) -> str | None:
    """Text (58); without it the code of the reason, and who was on the other side."""
    if tags.get("58"):
        return tags["58"]
    codes = {"103": "OrdRejReason", "102": "CxlRejReason", "378": "ExecRestatementReason", "375": "ContraBroker"}
    return "; ".join(f"{name} {tags[tag]}" for tag, name in codes.items() if tag in tags) or None


def _commissions(tags: Tags, fees: Iterable[Tags]) -> Update:
    """Commission (12) if it is an amount, or one per unit, and the fees; a third one stands in no field."""
    quantity = decimal(tags.get("32"))
    paid: list[tuple[Any, str | None]] = []
    commission = _charge(tags.get("12"), tags.get("13", "3") == "3", tags.get("13") == "1", quantity)
    if commission is not None:
        paid.append((plain(commission), tags.get("479") or tags.get("15")))
    paid += _summed(fees, quantity)
    names = ("commission", "commission_currency"), ("other_commission", "other_commission_currency")
    return told(
        **{name: value for pair, both in zip(names, paid, strict=False) for name, value in zip(pair, both, strict=True)}
    )


def _charge(amount: str | None, is_absolute: bool, is_per_unit: bool, quantity: Decimal | None) -> Decimal | None:
    """What is paid; None of a percentage."""
    number = decimal(amount)
    if number is None or is_absolute:
        return number
    return EXACT.multiply(number, quantity) if is_per_unit and quantity is not None else None


def _summed(fees: Iterable[Tags], quantity: Decimal | None) -> list[tuple[Any, str | None]]:
    """The fees of each currency in one. MiscFeeBasis (891) says whether one is absolute (0), per unit (1) or a part."""
    sums: dict[str, Decimal] = {}
    for fee in fees:
        charge = _charge(fee["137"], fee.get("891", "0") == "0", fee.get("891") == "1", quantity)
        if charge is not None:
            currency = fee.get("138", "")
            sums[currency] = EXACT.add(sums.get(currency, ZERO), charge)
    return [(plain(amount), currency) for currency, amount in sums.items()]


def _pairs(message: Any) -> list[tuple[str, str]]:
    """Tags and values in the order of the message."""
    if isinstance(message, Mapping):
        return [(str(tag), str(value)) for tag, value in message.items() if value is not None]
    pairs = getattr(message, "pairs", None)
    if not isinstance(pairs, list):
        raise RecordError(f"{shown(message)} is no FIX message", "give one, or its tags with their values")
    return [(tag.decode(), value.decode(errors="backslashreplace")) for tag, value in pairs]


def _parsed(whole: bytes) -> Any:
    """A message of simplefix, from one with SOH between its fields.

    Raises:
        RecordError: it cannot be parsed.
    """
    simplefix = _simplefix()
    parser = simplefix.FixParser(allow_empty_values=True)
    parser.append_buffer(whole)
    try:
        message = parser.get_message()
    except simplefix.errors.ParsingError as error:
        raise RecordError(f"{shown(whole)}: {type(error).__name__}", fix_log.ALTERED) from error
    if message is None:
        raise RecordError(f"{shown(whole)} ends within a field", fix_log.TORN)
    return message


def _simplefix() -> Any:
    try:
        import simplefix
    except ImportError:
        raise ConfigurationError("simplefix is not installed", "pip install 'ringbuf-capture[fix]'") from None
    return simplefix
