"""Where things are in a checkout of the repository."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TESTS: Final = ROOT / "tests"
GOLDEN: Final = TESTS / "golden"
"""The bytes of layouts that are stored or shared."""
CORRUPT: Final = TESTS / "corrupt"
"""Damaged bytes that once made a parser fail, or might."""
