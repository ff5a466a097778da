"""The life of one order as its venue tells it: messages with venue times, a snapshot, and what a look-back gives."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Fields = dict[str, Any]

BEGIN_NS = 1_790_000_000_000_000_000
ITS = {"order_id": "o1", "client_order_id": "c1", "side": "buy"}


class Life:
    """One order, and all that is told of it.

    Attributes:
        messages: in the order in which they were sent.
        lookback: its trades and what was taken back of them, as the venue gives them when asked.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._streams = draw(st.booleans())  # fills come apart from the order's state
        self._totals_in_fills = draw(st.booleans())
        self.quantity = Decimal(draw(st.integers(5, 20)))
        self.price = Decimal(100)
        self.trades: dict[str, Decimal] = {}
        self.status, self._stands = "new", "new"
        self.messages: list[Fields] = []
        self.lookback: list[Fields] = []
        if draw(st.booleans()):
            request = {"exec_type": "pending_new", "client_order_id": "c1", "side": "buy", "quantity": self.quantity}
            self.messages.append(request | {"price": self.price})
        self._tell("new")

    @property
    def executed(self) -> Decimal:
        """The sum of its trades."""
        return sum(self.trades.values(), Decimal(0))

    @property
    def works(self) -> bool:
        """Whether it can trade."""
        return self.status not in ("canceled", "expired", "filled")

    @property
    def leaves(self) -> Decimal:
        """What may still trade."""
        return self.quantity - self.executed if self.works else Decimal(0)

    @property
    def snapshot(self) -> Fields:
        """What the venue says when it is asked about the order, later than all else."""
        return self._state() | {"exec_type": "order_status", "exchange_ns": BEGIN_NS + 1_000_000}

    def act(self) -> None:
        """Anything happens."""
        acts = [self._fill, self._fill, self._ask, self._refuse, self._amend, self._bust, self._correct, self._end]
        self._draw(st.sampled_from(acts))()

    def _fill(self) -> None:
        if not self.works:
            return
        quantity = Decimal(self._draw(st.integers(1, int(self.leaves))))
        name = f"t{len(self.trades) + 1}"
        self.trades[name] = quantity
        self._settle()
        fill = {"exec_type": "fill", "trade_id": name, "last_quantity": quantity, "last_price": 100 + len(self.trades)}
        self.lookback.append(self._timed(ITS | fill | {"origin": "lookback"}))
        if self._streams:
            total = {"cumulative_quantity": self.executed} if self._totals_in_fills else {}
            both = [self._state() | {"exec_type": "order_status"}, ITS | fill | total]
            self.messages += [self._timed(each) for each in self._draw(st.permutations(both))]
        else:
            self.messages.append(self._timed(self._state() | fill))

    def _ask(self) -> None:
        if self.works:
            self.status = self._draw(st.sampled_from(("pending_cancel", "pending_replace")))
            self._tell(self.status)

    def _refuse(self) -> None:
        if self.status.startswith("pending"):
            self._settle()
            self._tell("cancel_rejected")

    def _amend(self) -> None:
        if self.works:
            self.quantity = self.executed + self._draw(st.integers(1, 10))
            self.price += self._draw(st.sampled_from((0, 1)))
            self._settle()
            self._tell("replaced")

    def _bust(self) -> None:
        if not self.trades:
            return
        name = self._draw(st.sampled_from(sorted(self.trades)))
        if self.trades[name]:
            self.trades[name] = Decimal(0)
            self._change({"exec_type": "trade_cancel", "trade_id": name})

    def _correct(self) -> None:
        names = [name for name, quantity in self.trades.items() if quantity > 1]
        if names:
            name = self._draw(st.sampled_from(names))
            self.trades[name] -= 1
            self._change({"exec_type": "trade_correct", "trade_id": name, "last_quantity": self.trades[name]})

    def _change(self, change: Fields) -> None:
        if self.works or self.status == "filled":
            self._settle()
        told = self._timed(self._state() | change)
        self.messages.append(told)
        self.lookback.append(told)

    def _end(self) -> None:
        if self.works:
            self.status = self._draw(st.sampled_from(("canceled", "expired")))
            self._tell(self.status)

    def _settle(self) -> None:
        executed = self.executed
        self.status = "new" if not executed else "filled" if executed == self.quantity else "partially_filled"

    def _state(self) -> Fields:
        told = {"order_status": self.status, "quantity": self.quantity, "price": self.price}
        return ITS | told | {"cumulative_quantity": self.executed, "leaves_quantity": self.leaves}

    def _tell(self, exec_type: str) -> None:
        self.messages.append(self._timed(self._state() | {"exec_type": exec_type}))

    def _timed(self, fields: Fields) -> Fields:
        return fields | {"exchange_ns": BEGIN_NS + 1_000 * len(self.messages) + len(self.lookback)}


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """An order to which something happened."""
    life = Life(draw)
    for _ in range(draw(st.integers(1, 8))):
        life.act()
    return life
