"""How a venue wants a client order id written, and how a number becomes such an id and comes back."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from hashlib import blake2b
from typing import Final, NamedTuple

from ringbuf.errors import ConfigurationError
from ringbuf.strategies.arguments import check_kind

DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
"""Taken where a venue allows them: small letters only, since some venues change or ignore the case."""
ALPHANUMERIC: Final = f"{DIGITS}{DIGITS[10:].upper()}"
_CHECK_BITS: Final = 10
_UUID_BITS: Final = 122
_UUID_FIXED: Final = (4 << 76) | (0b10 << 62)  # version 4, variant 1: the one that every check of a UUID takes
_CLOID_BITS: Final = 128
_LONGEST: Final = 64


class Core(NamedTuple):
    """What an id says: no other id has the same three.

    Attributes:
        host: number of the host, given by its owner.
        process: number that the process claimed at its host when it started. Of an id with little room it is the
            remainder by `Layout.processes`.
        counter: of the ids of this process number, from 1, so that no id is 0.
    """

    host: int
    process: int
    counter: int


class Layout(NamedTuple):
    """How many bits of the number each part of the core has."""

    host_bits: int
    process_bits: int
    counter_bits: int

    @property
    def bits(self) -> int:
        """In all."""
        return sum(self)

    @property
    def hosts(self) -> int:
        """How many there can be."""
        return 1 << self.host_bits

    @property
    def processes(self) -> int:
        """How many process numbers of a host there are before the first comes again."""
        return 1 << self.process_bits

    @property
    def counters(self) -> int:
        """Counters are below this, from 1. A process that has used up its ids claims another number."""
        return 1 << self.counter_bits

    def number(self, core: Core) -> int:
        """The core as a number."""
        process = core.process % self.processes
        return (core.host << self.process_bits | process) << self.counter_bits | core.counter

    def core(self, number: int) -> Core:
        """The core that a number is of."""
        rest, counter = divmod(number, self.counters)
        return Core(*divmod(rest, self.processes), counter)


LAYOUTS: Final = (Layout(15, 24, 24), Layout(8, 24, 13), Layout(4, 18, 10))
"""63 bits, so that a signed integer of 64 holds it; else 45; else 32."""


class Kind(Enum):
    """How an id is written."""

    TEXT = "text of an alphabet"
    INTEGER = "decimal integer"
    UUID = "UUID with hyphens"
    HEX_128 = "0x and 32 hexadecimal digits"


@dataclass(frozen=True)
class IdFormat:
    """What a venue takes as a client order id.

    Args:
        kind: how it is written.
        length: of a text the most characters, with the prefix.
        alphabet: of a text the characters it may have.
        prefix: what a text must begin with.
        limit: what an integer must be below.
        source: the address of the venue's document that says so.

    Raises:
        ConfigurationError: it has not room for 32 bits, or a value is of another kind.
    """

    kind: Kind = Kind.TEXT
    length: int = 0
    alphabet: str = ALPHANUMERIC
    prefix: str = ""
    limit: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        for name, kind in (("kind", Kind), ("length", int), ("alphabet", str), ("prefix", str), ("limit", int)):
            check_kind(f"{name} of client order ids", getattr(self, name), kind)
        if self.kind is Kind.TEXT and (len(set(self.alphabet)) < 2 or len(set(self.alphabet)) != len(self.alphabet)):
            raise ConfigurationError(
                f"{self.alphabet!r} is no alphabet of client order ids", "give two or more different characters"
            )
        if self._room < 1 << LAYOUTS[-1].bits:
            raise ConfigurationError(
                f"client order ids of length {self.length} and limit {self.limit} have not room for"
                f" {LAYOUTS[-1].bits} bits",
                "give the venue's real limits; with so little room ids come again too soon",
            )

    @cached_property
    def layout(self) -> Layout:
        """The longest one that it has room for."""
        return next(each for each in LAYOUTS if self._room >= 1 << each.bits)

    @cached_property
    def check_bits(self) -> int:
        """How many bits tell own ids from others; 0 if there is not room."""
        if self.kind in _FULL:
            return _FULL[self.kind] - self.layout.bits
        has_room = self.kind is Kind.TEXT and self._room >= 1 << self.layout.bits + _CHECK_BITS
        return _CHECK_BITS if has_room else 0

    @cached_property
    def digits(self) -> str:
        """The characters that a text is made of."""
        return DIGITS if set(DIGITS) <= set(self.alphabet) else self.alphabet

    @cached_property
    def width(self) -> int:
        """Number of digits of a text, with zeros in front: as few as hold any id."""
        width, room = 0, 1
        while room < 1 << self.layout.bits + self.check_bits:
            width, room = width + 1, room * len(self.digits)
        return width

    def encode(self, core: Core) -> str:
        """The id of a core whose parts are in the layout's range."""
        number = self.layout.number(core)
        number = number << self.check_bits | _check(number, self.check_bits)
        return _WRITE[self.kind](self, number)

    def decode(self, text: str) -> Core | None:
        """The core of an id, None if it is none of ours."""
        number = _READ[self.kind](self, text)
        if number is None:
            return None
        number, check = number >> self.check_bits, number & ((1 << self.check_bits) - 1)
        if number >> self.layout.bits or check != _check(number, self.check_bits):
            return None
        core = self.layout.core(number)
        return core if self.encode(core) == text else None

    @property
    def _room(self) -> int:
        """How many different ids there are."""
        if self.kind in _FULL:
            return 1 << _FULL[self.kind]
        if self.kind is Kind.INTEGER:
            return self.limit
        return int(len(self.digits) ** max(min(self.length, _LONGEST) - len(self.prefix), 0))


_FULL: Final = {Kind.UUID: _UUID_BITS, Kind.HEX_128: _CLOID_BITS}


def _check(number: int, bits: int) -> int:
    return int.from_bytes(blake2b(number.to_bytes(8), digest_size=10).digest()) & ((1 << bits) - 1) if bits else 0


def _written_text(id_format: IdFormat, number: int) -> str:
    digits, found = id_format.digits, []
    for _ in range(id_format.width):
        number, digit = divmod(number, len(digits))
        found.append(digits[digit])
    return id_format.prefix + "".join(reversed(found))


def _read_text(id_format: IdFormat, text: str) -> int | None:
    digits, number = id_format.digits, 0
    for character in text.removeprefix(id_format.prefix):
        digit = digits.find(character)
        if digit < 0 or number >> _CLOID_BITS:
            return None
        number = number * len(digits) + digit
    return number


def _written_uuid(_: IdFormat, number: int) -> str:
    low, rest = number & ((1 << 62) - 1), number >> 62
    middle, high = rest & ((1 << 12) - 1), rest >> 12
    text = f"{high << 80 | middle << 64 | low | _UUID_FIXED:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _read_uuid(_: IdFormat, text: str) -> int | None:
    number = _hexadecimal(text.replace("-", ""))
    if number is None:
        return None
    low, middle, high = number & ((1 << 62) - 1), number >> 64 & ((1 << 12) - 1), number >> 80
    return (high << 12 | middle) << 62 | low


def _hexadecimal(text: str) -> int | None:
    is_number = len(text) == 32 and text.isascii() and text.isalnum() and not text.strip("0123456789abcdef")
    return int(text, 16) if is_number else None


_WRITE: Final[dict[Kind, Callable[[IdFormat, int], str]]] = {
    Kind.TEXT: _written_text,
    Kind.INTEGER: lambda _, number: str(number),
    Kind.UUID: _written_uuid,
    Kind.HEX_128: lambda _, number: f"0x{number:032x}",
}
_READ: Final[dict[Kind, Callable[[IdFormat, str], int | None]]] = {
    Kind.TEXT: _read_text,
    Kind.INTEGER: lambda _, text: int(text) if text.isascii() and text.isdecimal() and len(text) < _LONGEST else None,
    Kind.UUID: _read_uuid,
    Kind.HEX_128: lambda _, text: _hexadecimal(text.removeprefix("0x")),
}
