"""What is taken for the answer to a question of our own."""

import pytest

from ringbuf.sinks.clickhouse.question import rows_in


@pytest.mark.parametrize("value", [b"", b"<html>", b'[["1"]', b'{"error": "later"}', b"[1]", b"\xff\xff"])
def test_what_is_no_answer_is_named(value: bytes) -> None:
    """A server whose disk is full answers some questions with nothing."""
    with pytest.raises(ValueError, match=r"^b'.*' is no answer to what was asked$"):
        rows_in(value)


def test_an_answer_has_all_rows() -> None:
    assert rows_in(b'[["1", 2], []]') == [["1", 2], []]
