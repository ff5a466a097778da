"""What is held of one thing: what the venue told, and what our own records say on top of it.

A venue tells a fill and the balance after it in two streams, and either may come first, late, twice or never. So a
change that our records tell (a fill, a fee, a transfer) is *pending* until the told quantity has moved by it. A move
that no change explains yet is *unexplained*: the change may come later, somebody else has moved it, or what was told
is of an earlier moment than it says. Only the venue's answer to a question tells which.

While both are there, nobody knows whether the told quantity has the pending changes in it, so only a range is known.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from ringbuf.trading.number import NOTHING
from ringbuf.trading.profit import decimal_of

MOST_PENDING: Final = 1_000
"""So many pending changes are told apart; of more, the first ones become one."""


class Change(NamedTuple):
    """A change that our records tell.

    Attributes:
        venue_ns: the venue's time; 0 if it is not told.
        heard_ns: when we heard of it, by our clock.
    """

    amount: Fraction
    venue_ns: int
    heard_ns: int


class Held(NamedTuple):
    """What is held of one thing, in decimals; a profit that has no end is rounded to 60 of them.

    Attributes:
        told: by the venue; None if it told nothing yet.
        lowest, highest: what it can be. They are the same unless changes are pending and the told quantity moved by
            something else; without `told`, they are what our records come to.
        pending: changes that the told quantity has not moved by yet.
        unexplained: moves that no change explains yet.
        stale: why it is not to be relied on before the venue has been asked; empty if it is.
    """

    told: Decimal | None
    lowest: Decimal
    highest: Decimal
    pending: Decimal
    unexplained: Decimal
    stale: str


class HeldQuantity:
    """What is held of one thing. For one thread.

    Args:
        rounding: a move may differ by so much from the changes that explain it, where a venue rounds.

    Attributes:
        told: by the venue, None before that; of what venue time, ns since the epoch, 0 if it told none.
        opening: what was held before the first of our records; known as soon as the venue has told anything.
        own: the sum of our changes.
        stale, stale_ns: why it is not to be relied on, and since when by our clock.
    """

    def __init__(self, rounding: Fraction = NOTHING) -> None:
        self.told: Fraction | None = None
        self.told_ns = 0
        self.opening = self.own = self.unexplained = NOTHING
        self.stale, self.stale_ns = "", 0
        self._rounding = rounding
        self._unexplained_ns = 0
        self._heard_ns = self._moved_ns = 0
        self._until_ns = 0  # what was told has no change after this venue time; 0 if that is not known
        self._answered, self._answered_ns = NOTHING, 0  # `external` at the last answer, and its venue time
        self._is_opening_sure = True  # whether it is known which of our changes what was told first has in it
        self._began_ns: int | None = 0  # it may have changes up to this venue time in it; any, if None
        self._is_begun = False  # whether an answer confirmed a change that came on top of it
        self._settled_ns: int | None = None  # the earliest venue time of such changes
        self._pending: list[Change] = []

    @property
    def held(self) -> Held:
        """As readers see it."""
        amounts = [each.amount for each in self._pending]
        pending = sum(amounts, NOTHING)
        base = self.own if self.told is None else self.told
        lowest = highest = base + pending
        if self.unexplained:  # each of them may be in it already, or not
            lowest = base + sum((each for each in amounts if each < 0), NOTHING)
            highest = base + sum((each for each in amounts if each > 0), NOTHING)
        low, high, pending_now = exact_decimal(lowest), exact_decimal(highest), exact_decimal(pending)
        told = None if self.told is None else exact_decimal(self.told)
        unexplained = exact_decimal(self.unexplained)
        stale = self.stale or (f"it moved by {unexplained}, which nothing explains yet" if unexplained else "")
        return Held(told, low, high, pending_now, unexplained, stale)

    def change(self, amount: Fraction, venue_ns: int, now_ns: int) -> None:
        """Take a change that our records tell."""
        self.own += amount
        self._heard_ns = now_ns
        if self.told is not None:
            is_early = self._is_early(venue_ns)
            self._is_opening_sure &= not is_early
            if is_early or self._is_answered(amount, venue_ns):
                self.doubt("a change may be in the venue's answer already, which came before it", now_ns)
            self._pending.append(Change(amount, venue_ns, now_ns))
            self._pending.sort(key=lambda each: each.venue_ns)
            if len(self._pending) > MOST_PENDING:
                first, second = self._pending[:2]
                self._pending[:2] = [second._replace(amount=first.amount + second.amount)]
            self._match()

    def tell(self, quantity: Fraction, venue_ns: int, now_ns: int) -> bool:
        """Take what the venue tells; False if it is older than what it told before, and refused."""
        if venue_ns and venue_ns < self.told_ns:
            return False
        if self.told is None:
            self._begin(quantity, venue_ns)
            if self._heard_ns:
                self._doubt_opening(now_ns)
            return True
        move, is_ordered = quantity - self.told, venue_ns > self.told_ns
        self._take(quantity, venue_ns)
        if move:
            self._moved_ns = now_ns
        if move and not self._settle(move):
            self.unexplained += move
            self._unexplained_ns = now_ns
            if not is_ordered:
                self.doubt("two quantities that no time orders", now_ns)
        self._match()
        return True

    def resynchronise(self, quantity: Fraction, venue_ns: int, asked_ns: int) -> bool:
        """Take the venue's answer to a question: it has all in it that we heard of before we asked.

        Returns:
            False if it is older than what was told, and refused.
        """
        if venue_ns and venue_ns < self.told_ns:
            return False
        if venue_ns <= self.told_ns and self._moved_ns > asked_ns:
            self.doubt("it moved while the venue was asked", self._moved_ns)
            return False  # nobody can tell which of the two is older
        was_stale = bool(self.stale or self.unexplained)
        if self.stale_ns <= asked_ns:
            self.stale = ""
        if self.told is None:
            self._begin(quantity, venue_ns)
            if self._heard_ns > asked_ns:
                self._doubt_opening(self._heard_ns)
            return True
        known = [each for each in self._pending if each.heard_ns <= asked_ns]
        self._pending = [each for each in self._pending if each.heard_ns > asked_ns]
        explained = sum((each.amount for each in known), NOTHING)
        move = quantity - self.told - explained + self.unexplained  # a change since then may explain that one, too
        self._take(quantity, venue_ns)
        self.told_ns = max(self.told_ns, *(each.venue_ns for each in known), 0)  # it is later than what it has in it
        is_settled = bool(move) and self._settle(move)
        is_explained = is_settled or not move
        is_unclear = not is_explained or (was_stale and any(map(self._may_have, self._pending)))
        if self._pending and is_unclear:
            self.doubt("it moved while the venue was asked", max(each.heard_ns for each in self._pending))
        self.unexplained = NOTHING
        self._answered, self._answered_ns = self.external, venue_ns
        if is_explained:
            self._confirm(known)
        if not (self._is_opening_sure or self.stale):
            self._check_opening(venue_ns)
        return True

    def doubt(self, why: str, now_ns: int) -> None:
        """It is not to be relied on before the venue has been asked."""
        self.stale, self.stale_ns = why, now_ns

    def is_due(self, before_ns: int) -> bool:
        """Whether the venue is to be asked: it is stale, or something is open since before a time by our clock."""
        is_unexplained = bool(self.unexplained) and self._unexplained_ns <= before_ns
        return bool(self.stale) or is_unexplained or any(each.heard_ns <= before_ns for each in self._pending)

    @property
    def external(self) -> Fraction:
        """By how much the told quantity moved, and nobody of us told why: told - opening - own + pending."""
        if self.told is None:
            return NOTHING
        return self.told - self.opening - self.own + sum((each.amount for each in self._pending), NOTHING)

    def _is_early(self, venue_ns: int) -> bool:
        """Whether what was told first may have had a change in it that we hear of only now."""
        if self._began_ns is None:
            return True
        return venue_ns <= self._began_ns and bool(venue_ns or not self._is_begun)

    def _doubt_opening(self, now_ns: int) -> None:
        self._is_opening_sure = False
        self.doubt("nothing was told before our first fill", now_ns)

    def _check_opening(self, venue_ns: int) -> None:
        """Of an answer it is known what it has in it, so the opening follows from it; then all begins with that one.

        If it agrees with what we know, it may do so by chance: a change of the same amount that we have not heard of
        may be in it instead of one that what was told first had in it.
        """
        self._is_opening_sure = True
        if abs(self.external) > self._rounding:
            self.opening += self.external
            self._answered, self._began_ns = NOTHING, venue_ns or None
            self._is_begun, self._settled_ns = False, None
        elif venue_ns and self._began_ns is not None:
            self._began_ns = max(self._began_ns, venue_ns)

    def _confirm(self, known: list[Change]) -> None:
        """An answer agrees with what we know; so what was told first has none of the changes that moved it since."""
        self._note_settled(known)
        if self._is_begun or self._settled_ns is None:
            return
        self._is_begun = True
        if self._began_ns is None:
            self._began_ns = self._settled_ns

    def _note_settled(self, changes: list[Change]) -> None:
        for each in changes:
            if self._settled_ns is None or each.venue_ns < self._settled_ns:
                self._settled_ns = each.venue_ns

    def _is_answered(self, amount: Fraction, venue_ns: int) -> bool:
        """Whether the venue's answer may have had a change in it that we hear of only now."""
        is_alike = abs(self._answered) > self._rounding and (amount > 0) is (self._answered > 0)
        return is_alike and not (self._answered_ns and venue_ns > self._answered_ns)

    def _may_have(self, change: Change) -> bool:
        """Whether what was told may have a change in it: what was told is not from before it."""
        return not self._until_ns or change.venue_ns <= self._until_ns

    def _begin(self, quantity: Fraction, venue_ns: int) -> None:
        self._take(quantity, venue_ns)
        self.opening = quantity - self.own
        self._began_ns = venue_ns or None

    def _take(self, quantity: Fraction, venue_ns: int) -> None:
        self.told, self.told_ns, self._until_ns = quantity, max(venue_ns, self.told_ns), venue_ns

    def _match(self) -> None:
        """Settle the changes that explain all that is unexplained."""
        if self.unexplained and self._settle(self.unexplained):
            self.unexplained = NOTHING

    def _settle(self, move: Fraction) -> bool:
        """Settle the first changes that come to a move, of those that can be in it; whether there are such."""
        total = NOTHING
        for place, each in enumerate(self._pending, 1):
            if not self._may_have(each):
                break  # and the later ones are behind it
            total += each.amount
            if abs(total - move) <= self._rounding:
                self._note_settled(self._pending[:place])
                del self._pending[:place]
                return True
        return False


def exact_decimal(number: Fraction) -> Decimal:
    """A number as a decimal; rounded to 60 decimals if it has no end."""
    return Decimal(number.numerator) if number.denominator == 1 else decimal_of(number)
