"""The documents tell the truth."""

import re
from pathlib import Path
from typing import Any

import pytest

from ringbuf.record.execution import EXECUTION, Flag
from ringbuf.record.fields import BY_NAME, ENUMERATIONS, FIELDS
from ringbuf.record.number import IMPORTANCE
from tests.checkout import ROOT, TESTS

FORMAT = (ROOT / "docs" / "FORMAT.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_record_in_the_document_is_the_record() -> None:
    rows = re.findall(r"^\| \d+ \| \S+ \| `\w+` \|.*", FORMAT, re.MULTILINE)
    assert rows == [
        f"| {each.offset} | {each.format} | `{each.name}` | {each.version} | {f'`{each.code}`' if each.code else ''} "
        f"| {each.meaning} |"
        for each in FIELDS
    ]
    assert f"in this order: `{' '.join(BY_NAME[name].code for name in IMPORTANCE)}`" in " ".join(FORMAT.split())
    assert f"{EXECUTION.record_size} bytes." in FORMAT


def test_the_enumerations_and_flags_in_the_document_are_those_of_the_record() -> None:
    for name, kind in ENUMERATIONS.items():
        words = ", ".join(f"{int(each)} {each.name.lower()}" for each in kind)
        assert f"| `{name}` | {words} |" in FORMAT
    for flag in Flag:
        assert f"| {int(flag)} | {str(flag.name).lower()} |" in FORMAT


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_every_file_named_in_a_document_exists(document: Path) -> None:
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    files = re.findall(r"`((?:ringbuf|writer|strategies|tools|tests|docs)/[\w/]+\.\w+)`", text)
    missing = [link for link in links if not (document.parent / link).exists()]
    missing += [file for file in files if not (ROOT / file).exists()]
    assert not missing, f"{document.name} names what does not exist: {missing}"


def test_every_test_named_in_the_document_of_faults_exists() -> None:
    tests = {name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def test_(\w+)", path.read_text())}
    text = (ROOT / "docs" / "RELIABILITY.md").read_text()
    named = re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){2,}_?)(…?)(?:\[\w+\])?`", text)
    assert len(named) > 50
    assert not [
        name for name, cut in named if not any(each.startswith(name) if cut else each == name for each in tests)
    ]


@pytest.mark.parametrize(
    "heading",
    [
        "A first strategy",
        "Order pages and deltas",
        "Client order ids",
        "After a disconnect",
        "Hedge orders",
        "Accounts",
    ],
)
def test_the_code_about_strategies_runs_and_prints_what_it_says(
    heading: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "STRATEGIES.md").read_text()
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
        names: dict[str, Any] = {}
        exec(code, names)
        if "recorder" in names:
            names["recorder"].close()
        assert capsys.readouterr().out == "".join(re.findall(r"^# (.*\n)", code, re.MULTILINE))


def test_a_first_strategy_has_fewer_than_60_lines() -> None:
    text = (ROOT / "docs" / "STRATEGIES.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text.split("\n## ")[1], re.DOTALL)
    assert len(code.splitlines()) < 60


def test_the_code_in_the_readme_runs_and_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        exec(code, names)
        said = re.findall(r"^# (.*\n)", code, re.MULTILINE)
        assert capsys.readouterr().out == "".join(said)
    names["recorder"].close()
    assert (names["recorder"].producer.head, names["recorder"].producer.flagged) == (3, 0)
