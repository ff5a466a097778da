"""Contracts as a table of text: CSV with a line of names.

    exchange,symbol,kind,multiplier,tick,step,base,quote,settle,value_step

`exchange`, `symbol` and `kind` must be there, the others may be left out or empty; they may stand in any order. What
they mean, `Contract` says. Numbers are plain decimals. Spaces around a value tell nothing.
"""

import csv
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from ringbuf.errors import ConfigurationError, RecordError
from ringbuf.record.enumerations import ContractKind
from ringbuf.record.number import read_number
from ringbuf.record.salvage import stored_text
from ringbuf.trading.contract import Contract
from ringbuf.trading.number import EXACT

Contracts: TypeAlias = Mapping[tuple[str, str], Contract]
"""The contract of each instrument, by exchange and symbol."""

KEY: Final = ("exchange", "symbol")
NUMBERS: Final = ("multiplier", "tick", "step", "value_step")
KINDS: Final = {kind.name.lower(): kind for kind in ContractKind}
COLUMNS: Final = (*KEY, "kind", "multiplier", "tick", "step", "base", "quote", "settle", "value_step")
REQUIRED: Final = (*KEY, "kind")


def read_contracts(lines: Iterable[str], where: str) -> dict[tuple[str, str], Contract]:
    """The contracts of a table.

    Args:
        lines: of CSV; an open text file will do.
        where: what they are, for messages.

    Raises:
        ConfigurationError: a column is unknown, doubled or missing, or a line is wrong; it says which one and why.
    """
    found: dict[tuple[str, str], Contract] = {}
    lines_of: dict[tuple[str, str], int] = {}
    reader = csv.reader(lines, strict=True)
    try:
        titles = _checked([each.strip() for each in next(reader, [])], where)
        for cells in reader:
            if any(each.strip() for each in cells):
                at = f"{where}, line {reader.line_num}"
                key, contract = _row(titles, cells, at)
                if key in found:
                    raise ConfigurationError(f"{at}: {key} is in line {lines_of[key]} already", "leave one of them out")
                found[key], lines_of[key] = contract, reader.line_num
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{where}, line {reader.line_num}: {error}", "give CSV in UTF-8") from error
    return found


def stored_key(instrument: tuple[str, str]) -> tuple[str, str]:
    """Exchange and symbol as records have them."""
    exchange, symbol = instrument
    return stored_text("exchange", exchange), stored_text("symbol", symbol)


def contract_of(row: Mapping[str, str]) -> Contract:
    """The contract that a row of texts specifies.

    Raises:
        ConfigurationError: a value is none that it can have.
    """
    word = row.get("kind", "")
    if word not in KINDS:
        raise ConfigurationError(f"kind is {word!r}", f"give one of {', '.join(KINDS)}")
    numbers = {name: _number(name, row[name]) for name in NUMBERS if row.get(name)}
    return Contract(
        KINDS[word],
        numbers.get("multiplier", Decimal(1)),
        tick=numbers.get("tick"),
        step=numbers.get("step"),
        base=row.get("base", ""),
        quote=row.get("quote", ""),
        settle=row.get("settle", ""),
        value_step=numbers.get("value_step"),
    )


def row_of(contract: Contract) -> dict[str, str]:
    """The texts that specify a contract, by column; those of its key are not among them."""
    values = ((name, getattr(contract, name)) for name in COLUMNS if name not in KEY)
    return {name: _text(value) for name, value in values}


def _text(value: ContractKind | Decimal | str | None) -> str:
    if isinstance(value, ContractKind):
        return value.name.lower()
    return f"{value.normalize(EXACT):f}" if isinstance(value, Decimal) else value or ""


def _checked(titles: list[str], where: str) -> list[str]:
    for name in titles:
        if name not in COLUMNS or titles.count(name) > 1:
            how = "there twice" if name in COLUMNS else "unknown"
            raise ConfigurationError(
                f"{where}, line 1: the column {name!r} is {how}", f"columns are {', '.join(COLUMNS)}"
            )
    if missing := [name for name in REQUIRED if name not in titles]:
        raise ConfigurationError(
            f"{where}, line 1: there is no column {missing[0]!r} in {titles}",
            f"begin with a line of names: {', '.join(COLUMNS)}",
        )
    return titles


def _row(titles: list[str], cells: list[str], at: str) -> tuple[tuple[str, str], Contract]:
    if len(cells) != len(titles):
        raise ConfigurationError(
            f"{at}: {len(cells)} values for {len(titles)} columns", "give one value for each column"
        )
    row = {title: cell.strip() for title, cell in zip(titles, cells, strict=True)}
    for name in KEY:
        if not row[name]:
            raise ConfigurationError(f"{at}: {name} is empty", "say which instrument it is")
    try:
        return (row["exchange"], row["symbol"]), contract_of(row)
    except ConfigurationError as error:
        raise ConfigurationError(f"{at}: {error.what}", error.hint) from None


def _number(name: str, text: str) -> Decimal:
    try:
        found = read_number(text)
    except RecordError:
        found = None
    if found is None or found.inexact:
        raise ConfigurationError(f"{name} is {text!r}", "give a plain decimal number, as 0.001")
    return Decimal(text)
