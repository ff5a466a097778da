"""Whatever of a venue's session is lost or late, what the venue answers makes it right, and is news only once."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuf.strategies.inventory import Instrument, Inventory
from ringbuf.strategies.orders import OrderPages
from ringbuf.strategies.reconciliation import NO_SUCH_ORDER, Answer, Reconciliation, VenueQueries, reconcile
from ringbuf.trading.order_state import OrderState
from tests.model.sessions.answers import ANSWERING, Answers
from tests.model.sessions.exchange import Exchange
from tests.model.sessions.telling import Dialect
from tests.model.test_sessions import merged, requests, sessions, with_copies

each_venue = pytest.mark.parametrize("kind", ANSWERING, ids=lambda each: f"{each.__module__}.{each.__name__}")


class Session:
    """A session of which some messages are lost, and others come after the venue was asked."""

    def __init__(self, dialect: Dialect, draw: random.Random) -> None:
        self.dialect = dialect
        self._has_order, self._has_positions = draw.random() < 0.8, draw.random() < 0.7
        self.exchange = Exchange(draw, dialect.abilities._replace(funds=False), draw.random() < 0.5)
        self.exchange.run(draw.randint(3, 20))
        self.answers = Answers(dialect, self.exchange)
        self.pages = OrderPages(inventory=Inventory(instruments={}))
        self._names = {"exchange": dialect.exchange.removesuffix("_spot"), "account": "A1", "strategy": "s"}
        self._adapter = dialect.adapter(self.pages, **self._names)
        # Where the client id changes and all that told the first one is lost, nobody knows which order was asked for.
        if dialect.abilities.amend != "new client id" and draw.random() < 0.5:
            for request in requests(dialect, self.exchange):
                self.pages.apply(request)
        told = merged(draw, [each for event in self.exchange.events for each in dialect.tell(event)])
        loss = draw.random()
        arrived = [each for each in told if draw.random() >= loss]
        self._late = [each for each in arrived if draw.random() < 0.2]
        for each in with_copies(draw, [each for each in arrived if each not in self._late]):
            self._adapter.receive(dialect.text(each.message))

    def late(self) -> None:
        """What is late arrives."""
        for each in self._late:
            self._adapter.receive(self.dialect.text(each.message))
        assert not self._adapter.refused

    def ask(self, *, trades: Callable[[], Any] | None) -> Reconciliation:
        """Ask the venue; of some not for single orders or positions."""
        queries = VenueQueries(
            open_orders=lambda: self._read(self.answers.orders(each for each in self.exchange.orders if each.works)),
            trades=trades,
            order=self._one if self._has_order else None,
            positions=self._positions if self._has_positions else None,
        )
        return reconcile(self.pages, queries, **{**self._names, "exchange": self.dialect.exchange})

    def trades(self) -> Answer:
        """All trades."""
        return self._read(self.answers.trades())

    def _one(self, page: OrderState) -> Any:
        number = int("".join(filter(str.isdigit, page.order_id)) or 0) % 1_000_000
        known = [each for each in self.exchange.orders if number in (0, each.number)]
        if not number:
            known = [each for each in known if self.dialect.client_id(each) == page.client_order_id and each.client_id]
        return self._read(self.answers.orders(known)) if len(known) == 1 else NO_SUCH_ORDER  # a label has several

    def _positions(self) -> dict[Instrument, Decimal]:
        held = self.exchange.positions()
        return {Instrument(self.dialect.exchange, "A1", self.dialect.symbol, side): held[side] for side in held}

    def _read(self, message: Any) -> Answer:
        answer = Answer()
        adapter = self.dialect.adapter(answer, **self._names)
        adapter.receive(json.dumps(message, default=float))
        assert not adapter.refused
        return answer

    def check_traded(self) -> None:
        """Positions, commissions and what orders executed are those of the venue."""
        inventory = self.pages.inventory
        for side in ("", "long", "short"):
            position = inventory.position(self.dialect.exchange, "A1", self.dialect.symbol, side)
            assert position.quantity == self.exchange.positions().get(side, Decimal(0))
        assert sum(inventory.commissions().values()) == self.exchange.fees()
        executed = {number: page.executed for number, page in self.known().items()}
        right = {each.number: each.executed for each in self.exchange.orders}
        assert executed == {number: right[number] for number in executed}

    def check_open(self, found: Reconciliation) -> None:
        """What is open is open at the venue, but for what is in doubt."""
        doubts = [each.page for each in found.doubts]
        for position_side in ("", "long", "short"):
            position = self.pages.inventory.position(self.dialect.exchange, "A1", self.dialect.symbol, position_side)
            for side, ours in (("buy", position.open_buy), ("sell", position.open_sell)):
                where = position_side, side
                doubted = [each.open for each in doubts if (each.key.position_side, each.side.name.lower()) == where]
                assert ours == self.exchange.open(*where) + sum(doubted, Decimal(0))
        known = self.known()
        for order in self.exchange.orders:
            page = known.get(order.number)
            if order.works:
                assert page is not None and not page.is_over
                assert (page.quantity, page.price) == (order.quantity, order.price)

    def known(self) -> dict[int, OrderState]:
        """The orders that the venue named, by their number."""
        orders = [each for each in self.pages.inventory.orders() if each.order_id]
        return {int("".join(filter(str.isdigit, each.order_id))) % 1_000_000: each for each in orders}


@each_venue
@sessions
@given(draw=st.randoms(use_true_random=False))
def test_what_a_venue_answers_makes_right_what_was_lost(kind: type[Dialect], draw: random.Random) -> None:
    session = Session(kind(), draw)
    session.ask(trades=session.trades)
    session.late()
    found = session.ask(trades=session.trades)
    session.check_traded()
    session.check_open(found)
    assert not (found.inferred or found.differences or found.failures or found.refused)
    session.ask(trades=session.trades)
    assert session.ask(trades=session.trades).updates == []


@each_venue
@sessions
@given(draw=st.randoms(use_true_random=False))
def test_what_is_inferred_gives_way_to_the_trades(kind: type[Dialect], draw: random.Random) -> None:
    session = Session(kind(), draw)
    session.ask(trades=None)
    session.late()
    found = session.ask(trades=None)
    told = session.trades()
    for each in draw.sample(told, len(told)):
        session.pages.apply(each)
    session.check_traded()
    assert not (found.refused or found.failures)
