"""The conformance kit of adapters: whether one keeps what it is given, and ends the same however messages arrive.

Messages and an adapter come in, any class or function of the user's; what could not be kept, what is flagged, the pages
that the messages end in, and streams that end otherwise go out. May import `ringbuf.record`, `ringbuf.trading` and
`ringbuf.strategies` with its adapters.
"""

from ringbuf.conformance.cases import Case, CaseCheck, cases, check_case
from ringbuf.conformance.check import Check, check
from ringbuf.conformance.ending import Ending
from ringbuf.conformance.play import Make, Playable, maker

__all__ = ["Case", "CaseCheck", "Check", "Ending", "Make", "Playable", "cases", "check", "check_case", "maker"]
