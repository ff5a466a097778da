"""Arguments, checked when something is made, and not when they are first needed."""

from datetime import timedelta
from typing import Any

from ringbuf.errors import ConfigurationError
from ringbuf.record.value import shown


def check_function(name: str, given: object, *, is_optional: bool = False) -> None:
    """Refuse what cannot be called.

    Raises:
        ConfigurationError: it cannot.
    """
    if not (callable(given) or (is_optional and given is None)):
        raise ConfigurationError(f"{name} is {shown(given)}", "give a function")


def check_kind(name: str, given: Any, kind: type[Any]) -> None:
    """Refuse what is not of a kind.

    Raises:
        ConfigurationError: it is not.
    """
    if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool):
        raise ConfigurationError(f"{name} is {shown(given)}", f"give {kind.__name__}")


def nanoseconds(name: str, given: timedelta) -> int:
    """A length of time in ns.

    Raises:
        ConfigurationError: it is no timedelta, or below zero.
    """
    check_kind(name, given, timedelta)
    if given < timedelta(0):
        raise ConfigurationError(f"{name} is {given}", "give a length of time from 0 on")
    return given // timedelta(microseconds=1) * 1_000
