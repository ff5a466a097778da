"""Files of messages as users have them: cut, joined, pretty-printed, with lines of something else."""

import json
from decimal import Decimal

import pytest

from ringbuf.conformance.saved import Saved, read_messages

ROWS = [{"id": "o1", "price": Decimal("1.10")}, {"id": "o2"}, {"id": "o3", "more": [1, {"a": "}{"}]}]


def text_of(row: object, indent: int | None = None) -> str:
    return json.dumps(row, default=str, indent=indent).replace('"1.10"', "1.10")


LINES = "\n".join(text_of(each) for each in ROWS)


def messages(text: str) -> list[object]:
    return [each.message for each in read_messages(text, "saved.jsonl")]


@pytest.mark.parametrize("first", ['ok": 1}', "# saved", '{"id": "o0", "cli', '{"id": "o0",', "[", "2026-01-01 {", "7"])
def test_a_first_line_that_is_no_message_takes_no_other_with_it(first: str) -> None:
    assert messages(f"{first}\n{LINES}") == [first, *ROWS]


def test_a_torn_line_amid_others_is_a_message_of_its_own() -> None:
    lines = LINES.split("\n")
    text = "\n".join([lines[0], lines[1][:5], lines[2]])
    assert read_messages(text, "saved.jsonl") == [Saved(1, ROWS[0]), Saved(2, lines[1][:5]), Saved(3, ROWS[2])]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("between", ["", "\n", "\r\n", ",\n", "\n\n"])
def test_values_need_no_line_of_their_own(between: str, indent: int | None) -> None:
    assert messages(between.join(text_of(each, indent) for each in ROWS)) == ROWS


def test_a_list_that_was_cut_has_its_whole_messages() -> None:
    text = json.dumps(ROWS, default=str, indent=1).replace('"1.10"', "1.10")
    assert messages(text[: text.rindex("{")].rstrip())[:3] == ["[", ROWS[0], ROWS[1]]


def test_a_line_of_a_log_of_fix_stays_whole() -> None:
    log = ["[INFO] 8=FIX.4.4|9=5|58={}|10=000|", "2026-01-01 8=FIX.4.4\x019=5\x0110=000\x01", "{x} 8=FIX.4.4"]
    assert messages("\n".join(log)) == log


def test_json_too_deep_to_be_read_is_text() -> None:
    assert messages("[" * 100_000) == ["[" * 100_000]
