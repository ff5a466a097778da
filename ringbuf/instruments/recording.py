"""Records contracts, so that the database knows them."""

import time
from decimal import Decimal
from typing import Final

from ringbuf.errors import ConfigurationError, RecordError, RingMemory
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.record.value import encode
from ringbuf.ring.producer import Producer
from ringbuf.trading.contract import Contract
from ringbuf.trading.contract_table import NUMBERS, Contracts, stored_key

RING: Final = "instruments"
_LOOK_SECONDS: Final = 0.01


def record_contracts(contracts: Contracts, namespace: str | None = None, timeout: float = 10.0) -> int:
    """Record contracts into the ring `instruments`; a writer of the namespace brings them into the database.

    Args:
        contracts: by exchange and symbol. They take the place of those that were recorded before.
        namespace: by default that of `RINGBUF_NAMESPACE`.
        timeout: seconds to wait for room where there are more of them than the ring holds.

    Returns:
        how many were recorded.

    Raises:
        ConfigurationError: a text or a number does not fit into its field; then none is recorded.
        RingError: the ring cannot be had, or is full and no writer reads it.
    """
    records = [_fields(key, contract) for key, contract in contracts.items()]
    with Producer.open(RING, INSTRUMENTS, namespace=namespace) as producer:
        deadline = time.monotonic() + timeout
        for number, fields in enumerate(records):
            while producer.lag >= producer.capacity:  # to try would count as a dropped record
                if time.monotonic() > deadline:
                    raise RingMemory(
                        f"ring {RING!r} is full, {number} of {len(records)} instruments are recorded",
                        "start a writer of this namespace, then record them again",
                    )
                time.sleep(_LOOK_SECONDS)
            producer.append(**fields)
    return len(records)


def _fields(key: tuple[str, str], contract: Contract) -> dict[str, object]:
    exchange, symbol = stored_key(key)
    texts = {"exchange": exchange, "symbol": symbol}
    texts |= {name: getattr(contract, name) for name in ("base", "quote", "settle")}
    numbers = {name: _number(key, name, getattr(contract, name)) for name in NUMBERS}
    fields: dict[str, object] = {**texts, **numbers, "kind": int(contract.kind)}
    try:
        return {name: encode(INSTRUMENTS, name, value) for name, value in fields.items()}
    except RecordError as error:
        raise ConfigurationError(f"instrument {key}: {error.what}", error.hint) from None


def _number(key: tuple[str, str], name: str, number: Decimal | None) -> float | None:
    if number is None:
        return None
    stored = float(number)
    if Decimal(repr(stored)) != number:
        raise ConfigurationError(
            f"instrument {key}: {name} {number} has more digits than a f64 holds", "give 15 significant digits at most"
        )
    return stored
