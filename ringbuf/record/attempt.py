"""An attempt to read a value that a caller gave. Methods of its own run in it, and may raise anything."""

from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Found = TypeVar("Found")
Otherwise = TypeVar("Otherwise")


def attempt(
    otherwise: Otherwise, read: Callable[Given, Found], *given: Given.args, **named: Given.kwargs
) -> Found | Otherwise:
    """What `read` makes of what is given, or `otherwise` if that raises."""
    with suppress(Exception):  # it is the value's own, and must not reach trading code
        return read(*given, **named)
    return otherwise
