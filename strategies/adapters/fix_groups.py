"""Repeating groups of an execution report: what was charged (NoMiscFees, 136) and fills in it (NoFills, 1362).

Source: https://www.onixs.biz/fix-dictionary/5.0.sp2/compblock_miscfeesgrp.html and
https://www.onixs.biz/fix-dictionary/5.0.sp2/compblock_fillsgrp.html.
"""

from collections.abc import Mapping, Sequence

Tags = Mapping[str, str]
"""The first value of each tag."""


def fees(pairs: Sequence[tuple[str, str]]) -> list[Tags]:
    """Each with its amount (137), currency (138) and basis (891).

    Args:
        pairs: tags and values in the order of the message.
    """
    return _entries(pairs, "137", "138", "891")


def fills(pairs: Sequence[tuple[str, str]]) -> list[Tags]:
    """Each with its id (1363), price (1364), quantity (1365) and liquidity (1443)."""
    return _entries(pairs, "1363", "1364", "1365", "1443")


def _entries(pairs: Sequence[tuple[str, str]], first: str, *others: str) -> list[Tags]:
    """An entry begins with its first tag."""
    found: list[dict[str, str]] = []
    for tag, value in pairs:
        if tag == first:
            found.append({tag: value})
        elif tag in others and found:
            found[-1][tag] = value
    return list(found)
