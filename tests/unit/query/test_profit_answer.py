"""The answer to what positions earned."""

from decimal import Decimal

from ringbuf.query.questions.course import PositionKey
from ringbuf.query.questions.earned import Earned, Told
from ringbuf.query.questions.profit import ProfitAnswer
from ringbuf.record.enumerations import ContractKind
from ringbuf.trading.contract import Contract
from ringbuf.trading.figures import JSON, figures
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


def test_figures_that_were_kept_make_the_same_row() -> None:
    contract = Contract(ContractKind.INVERSE, base="BTC", quote="USD", value_step=Decimal("0.00000001"))
    state = folded(FLAT, contract, [(Decimal(200), Decimal(30_000)), (Decimal(-70), Decimal("31000.5"))])
    profit = Profit(contract, state, {"BTC": Decimal("-0"), "€": Decimal("0.10")}, {})
    key = PositionKey("sim", 'A"', "BTC", "", "", "mm")
    told = Told(key, JSON.encode(figures(profit))[1:])
    contracts = {("sim", "BTC"): contract}
    kept, earned = (
        [ProfitAnswer(iter([each]), contracts, {}, by_day=False) for _ in range(2)]
        for each in (told, Earned(key, "", profit))
    )
    assert [*kept[0].lines()] == [*earned[0].lines()]
    assert [*kept[1].written_rows()] == [*earned[1].written_rows()]
