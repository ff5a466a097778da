"""Records as a FIX session would tell them."""

from collections.abc import Mapping
from typing import Any

from ringbuf.strategies.adapters import fix_words

SOH = "\x01"
EXEC_TYPES = {name: code for code, name in fix_words.EXEC_TYPES.items() if code not in "12"}
STATUSES = {name: code for code, name in fix_words.STATUSES.items() if code != "D"}
TRANSACTIONS = {name: code for code, name in fix_words.TRANSACTIONS.items()}
NUMBERS = {
    "price": 44,
    "quantity": 38,
    "cumulative_quantity": 14,
    "leaves_quantity": 151,
    "last_price": 31,
    "last_quantity": 32,
}
TEXTS = {"client_order_id": 11, "orig_client_order_id": 41, "order_id": 37, "ref_id": 19, "text": 58}


def encoded(tags: Mapping[int, Any], version: str = "FIX.4.4", separator: str = SOH) -> str:
    """A whole message: BeginString, BodyLength, its fields, CheckSum."""
    body = "".join(f"{tag}={value}{SOH}" for tag, value in tags.items())
    whole = f"8={version}{SOH}9={len(body.encode())}{SOH}{body}"
    return f"{whole}10={sum(whole.encode()) % 256:03}{SOH}".replace(SOH, separator)


def report(record: Mapping[str, Any], number: int, version: str = "FIX.4.4") -> dict[int, Any]:
    """The tags of an execution report or a cancel reject that tells a record."""
    exec_type = record["exec_type"]
    tags: dict[int, Any] = {35: "9" if exec_type == "cancel_rejected" else "8", 34: number}
    tags |= {tag: record[name] for name, tag in TEXTS.items() if name in record}
    tags |= {tag: f"{record[name]:g}" for name, tag in NUMBERS.items() if name in record}
    tags |= {39: STATUSES[record["order_status"]]} if "order_status" in record else {}
    if tags[35] == "9":
        return {tag: value for tag, value in tags.items() if tag in (35, 34, 11, 41, 37, 39, 58)}
    tags |= {17: record.get("trade_id") or record.get("report_id") or f"e{number}", 55: "BTC-PERPETUAL", 54: "1"}
    tags |= {60: "20260102-03:04:05.678"} if record.get("exchange_ns") else {}
    if "report_id" in record and exec_type != "fill":
        tags[17] = record["report_id"]
    if version != "FIX.4.4":
        tags[20] = TRANSACTIONS.get(exec_type, "0")
    if version == "FIX.4.0":
        return tags
    tags[150] = EXEC_TYPES[exec_type]
    if version == "FIX.4.2":
        fills = {"partially_filled": "1", "filled": "2"}
        is_change = exec_type in ("trade_cancel", "trade_correct", "order_status")
        tags[150] = (
            tags[39] if is_change else fills.get(record["order_status"], "1") if exec_type == "fill" else tags[150]
        )
    return tags
