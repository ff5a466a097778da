"""NautilusTrader's instruments as contracts, so that an inventory knows profit.

inventory = Inventory(instruments=contracts(engine.cache.instruments()))

Source: the instruments of nautilus_trader 1.221, `nautilus_trader/model/instruments/`.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from ringbuf.record.enumerations import ContractKind
from ringbuf.trading.contract import Contract

KINDS: Final = {
    "SPOT": ContractKind.SPOT,
    "SWAP": ContractKind.LINEAR,
    "FUTURE": ContractKind.LINEAR,
    "FUTURES_SPREAD": ContractKind.LINEAR,
    "FORWARD": ContractKind.LINEAR,
    "CFD": ContractKind.LINEAR,
    "BOND": ContractKind.SPOT,
    "OPTION": ContractKind.OPTION,
    "OPTION_SPREAD": ContractKind.OPTION,
    "WARRANT": ContractKind.OPTION,
    "BINARY_OPTION": ContractKind.OPTION,
}
"""By `instrument_class`. Bets on sports are none: what they earn is no price times quantity."""


def contracts(instruments: Iterable[Any]) -> dict[tuple[str, str], Contract]:
    """The contracts of instruments, by exchange and symbol as the adapter's updates have them.

    Args:
        instruments: of NautilusTrader. One whose class has no contract is left out, so it counts as spot.
    """
    found = {}
    for each in instruments:
        kind = KINDS.get(each.instrument_class.name)
        if kind is not None:
            found[str(each.id.venue), str(each.id.symbol)] = _contract(each, kind)
    return found


def _contract(instrument: Any, kind: ContractKind) -> Contract:
    base = instrument.get_base_currency()
    if kind is ContractKind.LINEAR:
        if getattr(instrument, "is_quanto", False):
            kind = ContractKind.QUANTO
        elif instrument.is_inverse:
            kind = ContractKind.INVERSE
    return Contract(
        kind,
        Decimal(str(instrument.multiplier)),
        tick=Decimal(str(instrument.price_increment)),
        step=Decimal(str(instrument.size_increment)),
        base="" if base is None else str(base),
        quote=str(instrument.quote_currency),
        settle=str(instrument.get_settlement_currency()),
    )
