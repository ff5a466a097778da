"""FIX messages in a log: where each begins and ends, whatever stands around it and whatever separates its fields.

What separates the fields stands before and after BodyLength: SOH, or what a log shows for it (`|`, `^A`, `[SOH]`, …). A
message ends with its CheckSum. One that does not end so is torn; one of another length or checksum is altered.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from ringbuf.strategies.adapters.adapter import Refused

SOH: Final = b"\x01"
LINES: Final = 20
"""A text field may have line feeds: of so many lines a message is at most."""
TORN: Final = "torn"
ALTERED: Final = "altered"

_BEGIN: Final = re.compile(rb"(?<![0-9])8=FIXT?\.[0-9]\.[0-9](?:SP[0-9])?([^=\r\n]{1,8}?)9=([0-9]+)(?=\1|\s*$)")
_REST: Final = re.compile(rb"(?<![0-9])35=[89][^0-9A-Za-z]|[^0-9A-Za-z=]10=[0-9]{3}(?![0-9])")
"""In what is left of a message that has lost its beginning."""


class _Part:
    """What begins as a message, in the line of this number."""

    def __init__(self, data: bytes, number: int) -> None:
        begin = _BEGIN.match(data)
        assert begin is not None, "it was found by its beginning"
        self.data = data
        self.number = number
        self.lines = 1
        self._separator, self._length = begin[1], int(begin[2])
        self._end = re.compile(re.escape(begin[1]) + rb"10=([0-9]{3})(?![0-9])")

    @property
    def may_go_on(self) -> bool:
        """Whether the next line may be of it."""
        return self._separator == SOH and self.lines < LINES and self._end.search(self.data) is None

    def message(self) -> bytes | Refused:
        """The whole message, with SOH between its fields."""
        end = self._end.search(self.data)
        if end is None:
            return _refused(self.data, self.number, "is torn", TORN)
        fields = re.split(re.escape(self._separator) + rb"(?=[0-9]+=)", self.data[: end.start()])
        body = SOH.join(fields) + SOH
        length = len(body) - body.index(SOH, body.index(SOH) + 1) - 1
        if length != self._length or sum(body) % 256 != int(end[1]):
            return _refused(self.data, self.number, "has another length or checksum than it says", ALTERED)
        return body + b"10=" + end[1] + SOH


def messages(log: Iterable[bytes | str]) -> Iterator[bytes | Refused]:
    """The messages of a log with SOH between their fields, and what is none and was one.

    Args:
        log: its lines, which may have any number of messages, and other things around them.
    """
    part: _Part | None = None
    for number, line in enumerate(log, 1):
        data = line if isinstance(line, bytes) else line.encode(errors="surrogateescape")
        begins = [each.start() for each in _BEGIN.finditer(data)]
        head = data[: begins[0]] if begins else data
        if part is not None:
            part.data += head
            part.lines += 1
        elif _REST.search(head):
            yield _refused(head, number, "has lost its beginning", TORN)
        for begin, end in pairwise([*begins, len(data)]):
            if part is not None:
                yield part.message()
            part = _Part(data[begin:end], number)
        if part is not None and not part.may_go_on:
            yield part.message()
            part = None
    if part is not None:
        yield part.message()


def _refused(data: bytes, number: int, why: str, kind: str) -> Refused:
    return Refused(data, f"line {number}: a FIX message {why}", kind)
