"""What the tool prints is complete, on one line, and cannot steer a terminal."""

import io
import json

import pytest
from rich.text import Text

from ringbuf.tools.output import age_text, print_json, print_table, printable, size_text, time_text


def test_a_table_is_never_wrapped_or_cut_however_wide_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 5_000
    print_table(("NAME", "COUNT"), [(long, "1"), ("b", "22")], left=("NAME",))
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "COUNT"]
    assert first.split() == [long, "1"]
    assert second.split() == ["b", "22"]
    assert first.index("1") == second.index("22") + 1, "numbers are flush right"


def test_a_table_into_a_pipe_has_neither_colours_nor_spaces_at_line_ends(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [("[red]1", Text("2", style="red"))], left=("A", "B"))
    assert capsys.readouterr().out == "A       B\n[red]1  2\n"


def test_a_table_on_a_terminal_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_table(("A",), [(Text("2", style="red"),)])
    assert "\x1b[31m2" in terminal.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mm-btc", "mm-btc"),
        ("币安", "币安"),
        ("a\nb", "a\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202eevil", "\\u202eevil"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_would_not_print_or_would_steer_the_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("time_ns", "shown"),
    [
        (0, "-"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_a_time_shows_every_nanosecond(time_ns: int, shown: str) -> None:
    assert time_text(time_ns) == shown


def test_ages_and_sizes_have_the_unit_that_suits() -> None:
    assert [age_text(each) for each in (0.04, 59, 90, 7_200, 200_000)] == [
        "0.0 s",
        "59.0 s",
        "1.5 min",
        "2.0 h",
        "2.3 d",
    ]
    assert [size_text(each) for each in (0, 1_023, 1_024, 12_000_000)] == ["0 B", "1023 B", "1.0 KiB", "11.4 MiB"]


def test_json_is_one_line_and_never_holds_what_is_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "a\nb", "number": 2**64 - 1})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"text": "a\nb", "number": 2**64 - 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json(float("nan"))
