"""Hedges against a simple model: whatever happens, in whatever order, and however often a process is started anew."""

from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.unit.strategies.hedge_desk import Desk, hedge

RATIOS = {"H": Decimal(1), "K": Decimal("-0.25")}
HEDGES = {
    "H": hedge("H", "0.1", ratio=RATIOS["H"], minimum_quantity="0.2"),
    "K": hedge("K", "1", ratio=RATIOS["K"], minimum_notional="30"),
}
MAKERS = {"a": ("buy", "H"), "b": ("sell", "H"), "c": ("buy", "K"), "d": ("sell", "K")}
PRICE = "10"
TENTHS = st.integers(1, 99).map(lambda tenths: Decimal(tenths).scaleb(-1))
MAKER = st.sampled_from(sorted(MAKERS))


class Model:
    """What is right, by sums over lists."""

    def __init__(self) -> None:
        self.trades: dict[str, dict[str, Decimal]] = {maker: {} for maker in MAKERS}
        self.orders: dict[str, dict[str, Any]] = {}

    def owed(self, name: str) -> Decimal:
        total = Decimal(0)
        for maker, (side, its) in MAKERS.items():
            executed = sum(self.trades[maker].values(), Decimal(0))
            total += -executed * RATIOS[name] * (1 if side == "buy" else -1) if its == name else 0
        return total

    def filled(self, name: str) -> Decimal:
        return sum((each["sign"] * each["filled"] for each in self._of(name)), Decimal(0))

    def working(self, name: str) -> Decimal:
        works = [each for each in self._of(name) if each["works"]]
        return sum((each["sign"] * (each["quantity"] - each["filled"]) for each in works), Decimal(0))

    def balance(self, name: str) -> Decimal:
        return self.owed(name) - self.filled(name) - self.working(name)

    def due(self, name: str) -> Decimal:
        its = HEDGES[name]
        steps = (self.balance(name) / its.step).to_integral_value(ROUND_DOWN) * its.step
        is_enough = abs(steps) >= its.minimum_quantity and abs(steps) * Decimal(PRICE) >= its.minimum_notional
        return steps if is_enough else Decimal(0)

    def _of(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.orders.values() if each["symbol"] == name]


class Hedges(RuleBasedStateMachine):
    """One strategy, its venues, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(lambda order: HEDGES[MAKERS[order.order_id][1]] if order.order_id in MAKERS else None)
        self.model = Model()
        self.told: list[dict[str, Any]] = []
        self.owed = dict.fromkeys(HEDGES, Decimal(0))

    # Makers

    @rule(maker=MAKER, quantity=TENTHS, is_total_first=st.booleans())
    def fill(self, maker: str, quantity: Decimal, is_total_first: bool) -> None:
        trades = self.model.trades[maker]
        trade_id = f"{maker}-{len(trades)}"
        trades[trade_id] = quantity
        total = {"order_id": maker, "exec_type": "order_status", "cumulative_quantity": self._total(maker)}
        if is_total_first and not self._was_told(total):
            self._tell_of_maker(maker, **total)
            self.owed_is_filled_and_working_and_balance()
        self._tell_of_maker(maker, exec_type="fill", trade_id=trade_id, last_quantity=quantity)

    @rule(maker=MAKER, data=st.data())
    def bust(self, maker: str, data: st.DataObject) -> None:
        trades = self.model.trades[maker]
        if trades:
            trade_id = data.draw(st.sampled_from(sorted(trades)))
            trades[trade_id] = Decimal(0)
            self._tell_of_maker(
                maker, exec_type="trade_cancel", trade_id=trade_id, cumulative_quantity=self._total(maker)
            )

    @rule(maker=MAKER, quantity=TENTHS, data=st.data())
    def correct(self, maker: str, quantity: Decimal, data: st.DataObject) -> None:
        trades = {trade_id for trade_id, each in self.model.trades[maker].items() if each}
        if trades:
            trade_id = data.draw(st.sampled_from(sorted(trades)))
            corrected = {"exec_type": "trade_correct", "trade_id": trade_id, "last_quantity": quantity}
            if not self._was_told(corrected):
                self.model.trades[maker][trade_id] = quantity
                self._tell_of_maker(maker, **corrected, cumulative_quantity=self._total(maker))

    def _was_told(self, report: dict[str, Any]) -> bool:
        """Whether such a report were a copy, since it has no time."""
        return any(each.items() >= report.items() for each in self.told)

    def _total(self, maker: str) -> Decimal:
        return sum(self.model.trades[maker].values(), Decimal(0))

    def _tell_of_maker(self, maker: str, **fields: Any) -> None:
        """What a maker order does changes what is owed, and sends what is due."""
        before = len(self.desk.sent)
        side, name = MAKERS[maker]
        names = {"exchange": "maker-venue", "account": "A", "symbol": "M", "order_id": maker}
        self._tell(**{**names, "side": side, "last_price": PRICE, **fields})
        self._expect(before, [name] if self.model.owed(name) != self.owed[name] else [])

    # Hedges

    @precondition(lambda self: self.model.orders)
    @rule(data=st.data(), part=st.integers(1, 4), is_total_first=st.booleans())
    def hedge_fill(self, data: st.DataObject, part: int, is_total_first: bool) -> None:
        name, order = self._any_order(data)
        left = order["quantity"] - order["filled"]
        step = HEDGES[order["symbol"]].step
        quantity = (left / part / step).to_integral_value(ROUND_DOWN) * step  # also of one that is over: it comes late
        if quantity:
            order["filled"] += quantity
            order["fills"] += 1
            if is_total_first:
                self._tell_of_hedge(name, exec_type="order_status", cumulative_quantity=order["filled"])
                self.owed_is_filled_and_working_and_balance()
            self._tell_of_hedge(name, exec_type="fill", trade_id=f"{name}-{order['fills']}", last_quantity=quantity)

    @precondition(lambda self: self.model.orders)
    @rule(data=st.data(), status=st.sampled_from(["canceled", "rejected", "expired"]))
    def hedge_over(self, data: st.DataObject, status: str) -> None:
        name, order = self._any_order(data)
        if order["works"] and order["filled"] < order["quantity"]:
            order["works"] = False
            self._tell_of_hedge(name, exec_type=status, order_status=status)

    def _any_order(self, data: st.DataObject) -> tuple[str, dict[str, Any]]:
        name = data.draw(st.sampled_from(sorted(self.model.orders)))
        return name, self.model.orders[name]

    def _tell_of_hedge(self, name: str, **fields: Any) -> None:
        before, order = len(self.desk.sent), self.desk.order(name)
        names = {"exchange": order.exchange, "account": order.account, "symbol": order.symbol}
        self._tell(**names, client_order_id=name, order_id=f"O-{name}", side=order.side, **fields)
        self._expect(before, [])

    # All else

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        before = len(self.desk.sent)
        self.desk.pages.apply(data.draw(st.sampled_from(self.told)))
        self._expect(before, [])

    @rule()
    def flush(self) -> None:
        before = len(self.desk.sent)
        self.desk.hedger.flush()
        self._expect(before, list(HEDGES))

    @rule()
    def restart(self) -> None:
        before = len(self.desk.sent)
        self.desk.restart()
        self._expect(before, [])

    def _tell(self, **update: Any) -> None:
        self.told.append(update)
        self.desk.pages.apply(update)

    def _expect(self, before: int, names: list[str]) -> None:
        """What was sent since is what was due, no more than was owed."""
        sent = {each.symbol: each for each in self.desk.sent[before:]}
        assert len(sent) == len(self.desk.sent) - before
        for name in HEDGES:
            due, order = self.model.due(name) if name in names else Decimal(0), sent.get(name)
            sign = 0 if order is None else 1 if order.side.name == "BUY" else -1
            assert (0 if order is None else sign * order.quantity) == due
            assert abs(due) <= abs(self.model.balance(name))
            if order is not None:
                new = {"symbol": name, "sign": sign, "quantity": order.quantity, "filled": Decimal(0)}
                self.model.orders[order.client_order_id] = new | {"works": True, "fills": 0}

    @invariant()
    def owed_is_filled_and_working_and_balance(self) -> None:
        for name in HEDGES:
            found, model = self.desk.balance(name), self.model
            assert found.is_whole
            assert (found.filled, found.working) == (model.filled(name), model.working(name))
            assert (found.owed, found.balance) == (Fraction(model.owed(name)), Fraction(model.balance(name)))
        self.owed = {name: self.model.owed(name) for name in HEDGES}
        assert (self.desk.hedger.failed, self.desk.hedger.broken) == (0, 0)


def test_hedges_are_what_a_simple_model_says() -> None:
    run_state_machine_as_test(Hedges, settings=settings(max_examples=80, stateful_step_count=40, deadline=None))
