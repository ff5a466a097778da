"""The exact texts of numbers, made in Python, are those that the database's own expressions give."""

import json
import struct
from decimal import Context, Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.query.questions.number_text import number_text
from ringbuf.record.number import kept_text
from ringbuf.sinks.clickhouse.table import literal
from ringbuf.sinks.clickhouse.views.columns import EXACT, QUOTE
from ringbuf.sinks.clickhouse.views.expression import decimal_text, number_of, own_text_of

TEXT = own_text_of("price")
WANTED = f"if(isNaN(price), NULL, ifNull(toString({number_of('price', TEXT)}), {TEXT}))"
AMOUNT = "1.123456789012345678"

usual = st.decimals(-(10**9), 10**9, places=8).map(float)
edges = st.sampled_from(
    [0.0, -0.0, 1e-21, 9.9e-22, 1e21, 1e20, 1e-7, 1e-6, 5e-324, 1.7976931348623157e308, float(AMOUNT)]
)
numbers = st.floats() | usual | edges
digits = st.text("0123456789", max_size=45)


@st.composite
def sent(draw: st.DrawFn) -> tuple[float, str]:
    """A number, and what `exact` has beside it: more digits of it, another number, or what is none."""
    number = draw(numbers)
    plain = f"{Decimal(repr(number)):f}" if abs(number) < 1e40 else "1"
    longer = plain + ("" if "." in plain else ".0") + draw(digits)
    kept = draw(st.sampled_from([longer, "00" + longer, plain, AMOUNT, "-0", "7", "1e5", ".5", "5.", ""]))
    return number, draw(st.sampled_from(["", f"P={kept}", f"Q=9.9;P={kept};q=1", f"P={kept};P=8", f"p={kept}"]))


@settings(max_examples=40)
@given(st.lists(sent(), min_size=1, max_size=60))
@example([(float(AMOUNT), f"P={AMOUNT}"), (2.5, f"P={AMOUNT}"), (-0.0, "P=-0.00"), (1e-7, ""), (float("-inf"), "P=3")])
def test_whatever_a_number_is_its_text_is_the_same(
    clickhouse_server: ClickHouse, rows: list[tuple[float, str]]
) -> None:
    values = ", ".join(
        f"({struct.unpack('<Q', struct.pack('<d', number))[0]}, {literal(exact)})" for number, exact in rows
    )
    source = f"SELECT reinterpretAsFloat64(bits) AS price, exact FROM values('bits UInt64, exact String', {values})"
    with clickhouse_server.client() as client:
        answer = client.raw_query(
            f"SELECT toString([price]) AS sent, exact, {WANTED} AS wanted FROM ({source})", fmt="JSONEachRow"
        )
    for row in map(json.loads, answer.splitlines()):
        assert number_text(row["sent"][1:-1], kept_text(row["exact"], "price")) == row["wanted"], row


@st.composite
def decimals(draw: st.DrawFn) -> int:
    """A decimal of any size as the database keeps it: without its point."""
    digits, zeros = draw(st.integers(0, 76)), draw(st.integers(0, 60))
    number: int = draw(st.integers(0, 10**digits - 1)) * 10**zeros % 10**76
    return number * draw(st.sampled_from([1, -1]))


@settings(max_examples=40)
@given(st.lists(decimals(), min_size=1, max_size=60))
@example([0, 1, -1, 10**20, 10**20 - 1, 10**20 + 1, 10**58 - 1, 10**58, 2**127 * 10**20, -(10**76 - 1), 10**76 - 1])
def test_a_decimal_has_the_same_text_whether_it_fits_into_128_bits_or_not(
    clickhouse_server: ClickHouse, numbers: list[int]
) -> None:
    for type_, places in ((EXACT, 38), (QUOTE, 52)):
        wanted = [f"{Decimal(number).scaleb(-places, _WIDE):f}" for number in numbers]
        listed = ", ".join(f"CAST('{number}' AS Nullable({type_}))" for number in wanted)
        texts = f"[{decimal_text('number')}, {decimal_text('assumeNotNull(number)')}, toString(number)]"
        with clickhouse_server.client() as client:
            answer = client.query(f"SELECT {texts} FROM (SELECT arrayJoin([{listed}, NULL]) AS number)").result_rows
        assert [told for (told,) in answer] == [*([_short(text)] * 3 for text in wanted), [None, "0", None]]


_WIDE = Context(prec=80)


def _short(text: str) -> str:
    """As the database writes it: without zeros at the end."""
    number = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if number in ("", "-0") else number
