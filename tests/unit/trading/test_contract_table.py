"""Contracts from CSV: what is read, and what is said of what cannot be."""

from decimal import Decimal
from pathlib import Path

import pytest

from ringbuf.errors import ConfigurationError
from ringbuf.strategies.inventory import Contract, ContractKind, read_instruments
from ringbuf.trading.contract_table import COLUMNS, contract_of, read_contracts, row_of

TITLES = "exchange,symbol,kind,multiplier,settle\n"


def test_columns_stand_in_any_order_and_what_is_empty_or_left_out_is_usual(tmp_path: Path) -> None:
    file = tmp_path / "instruments.csv"
    file.write_bytes(
        b"\xef\xbb\xbfsymbol, kind ,exchange,multiplier,base,quote,settle,tick,step,value_step\r\n"
        b"BTC-PERPETUAL,inverse,deribit,10,BTC,USD,,0.5,10,\r\n"
        b"\r\n"
        b'"A,B",spot, binance ,,A,B,,,,\r\n'
        b"XBTUSD,inverse,bitmex,1,XBT,USD,XBT,0.5,100,0.00000001\r\n"
    )
    spot, inverse = ContractKind.SPOT, ContractKind.INVERSE
    step = Decimal("0.00000001")
    assert read_instruments(file) == {
        ("deribit", "BTC-PERPETUAL"): Contract(inverse, Decimal(10), Decimal("0.5"), Decimal(10), "BTC", "USD", "BTC"),
        ("binance", "A,B"): Contract(spot, base="A", quote="B", settle="B"),
        ("bitmex", "XBTUSD"): Contract(inverse, Decimal(1), Decimal("0.5"), Decimal(100), "XBT", "USD", "XBT", step),
    }


def test_a_contract_comes_back_from_its_row() -> None:
    contract = Contract(
        ContractKind.QUANTO, Decimal("1E-6"), base="ETH", quote="USD", settle="XBT", tick=Decimal("0.05")
    )
    row = row_of(contract)
    assert row["multiplier"] == "0.000001"
    assert contract_of(row) == contract
    assert ("exchange", "symbol", *row) == COLUMNS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: there is no column 'exchange' in []; begin with a line of names: exchange,"),
        ("exchange,symbol\n", "line 1: there is no column 'kind' in ['exchange', 'symbol']"),
        ("exchange,symbol,kind,size\n", "line 1: the column 'size' is unknown; columns are exchange, symbol, kind,"),
        ("exchange,symbol,kind,kind\n", "line 1: the column 'kind' is there twice"),
        (TITLES + "x,A,spot\n", "line 2: 3 values for 5 columns"),
        (TITLES + "x,A,spot,1,\n,B,spot,1,\n", "line 3: exchange is empty"),
        (TITLES + "x,A,perp,1,\n", "line 2: kind is 'perp'; give one of spot, linear, inverse, quanto, option"),
        (TITLES + 'x,A,spot,"1,5",\n', "line 2: multiplier is '1,5'; give a plain decimal number"),
        (TITLES + "x,A,spot,-1,\n", "line 2: multiplier is -1; give a number above 0"),
        (TITLES + "x,A,spot,1e-50,\n", "line 2: multiplier is 1E-50; give a number above 0, of 38 decimals at most"),
        (TITLES + "x,A,quanto,1,\n", "line 2: a quanto contract has no settle currency"),
        (TITLES + "x,A,spot,1,\n\nx,A,linear,1,\n", "line 4: ('x', 'A') is in line 2 already; leave one of them out"),
        (TITLES + 'x,A,spot,"1"2,\n', "line 2: ',' expected after '\"'; give CSV in UTF-8"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_what_it_says(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_contracts(text.splitlines(keepends=True), "instruments.csv")
    assert str(raised.value).startswith(f"instruments.csv, {told}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.csv: No such file or directory; name a file of CSV"):
        read_instruments(tmp_path / "nothing.csv")
    (tmp_path / "latin").write_bytes(b"exchange,symbol,kind\nx,\xe4,spot\n")
    with pytest.raises(ConfigurationError, match="give CSV in UTF-8"):
        read_instruments(tmp_path / "latin")
