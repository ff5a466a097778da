"""The answer to what positions earned."""

from decimal import Decimal

from ringbuf.query.questions.course import PositionKey
from ringbuf.query.questions.earned import Earned
from ringbuf.query.questions.profit import ProfitAnswer
from ringbuf.record.enumerations import ContractKind
from ringbuf.trading.contract import Contract
from ringbuf.trading.profit import FLAT, Profit, folded


def test_the_numbers_of_rows_in_python_are_decimals() -> None:
    contract = Contract(ContractKind.LINEAR, base="BTC", quote="USDT")
    state = folded(FLAT, contract, [(Decimal(2), Decimal(100)), (Decimal(-1), Decimal("110.5"))])
    profit = Profit(contract, state, {"USDT": Decimal("0.1")}, {}, FLAT)
    key = PositionKey("sim", "A", "BTC", "", "", "mm")
    (row,) = ProfitAnswer(iter([Earned(key, "", profit)]), {("sim", "BTC"): contract}, {}, by_day=False)
    assert (row["quantity"], row["average_entry"], row["realised"]) == (Decimal(1), Decimal(100), Decimal("10.5"))
    assert row["unrealised"] is None
    assert row["commissions"] == {"USDT": Decimal("0.1")}
