"""Parsers of bytes survive damaged ones; `make fuzz` tries many more."""

import random
from pathlib import Path

import pytest

from tests.checkout import CORRUPT
from tests.fuzz.parsers import mutated, parsers, survives

NAMES = ["descriptor", "header", "ring", "journal", "checkpoint", "verified", "quarantine", "quarantine file"]
IMAGES = sorted(CORRUPT.glob("*.bin"))


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_input_gives_a_named_error_or_what_is_intact_of_it(name: str, tmp_path: Path) -> None:
    (parser,) = [each for each in parsers(tmp_path) if each.name == name]
    parser.read(parser.intact)
    chance = random.Random(7)
    for _ in range(300):
        content = mutated(chance, parser.intact)
        survives(parser, content)
        if parser.seal is not None:
            survives(parser, parser.seal(content))


def test_every_parser_is_tried(tmp_path: Path) -> None:
    assert [parser.name for parser in parsers(tmp_path)] == NAMES


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_an_input_that_once_made_a_parser_fail_no_longer_does(path: Path, tmp_path: Path) -> None:
    name = path.stem.rpartition("-")[0].replace("-", " ")
    (parser,) = [each for each in parsers(tmp_path) if each.name == name]
    survives(parser, path.read_bytes())
