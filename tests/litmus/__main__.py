"""Let herd7 say what ARM may do with the native core's loads and stores: `python3 -m tests.litmus`, see README.md."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent

WEAKER: Final = {
    "as compiled": ("", ""),
    "with LDAPR": ("LDAR ", "LDAPR "),  # which compilers may use for later processors
    "plain store": ("STLR ", "STR "),
    "no fence after store": ("DMB ISH ", "NOP "),
    "plain load": ("LDAR ", "LDR "),
    "no fence before load": ("DMB ISHLD ", "NOP "),
}
"""An instruction, and what stands in its place."""

POSSIBLE: Final = {
    "publication": {"plain store", "plain load"},
    "acknowledgement": {"plain store"},
    "reuse": {"plain store", "plain load"},
    "lapping": {"no fence after store", "no fence before load"},
    "bulk": {"no fence after store", "no fence before load"},
    "full": {"no fence before load"},
}
"""With which of them the outcome that a test forbids becomes possible."""


def is_possible(litmus: str) -> bool:
    """Whether herd7 finds a way to the outcome that a test forbids."""
    with tempfile.NamedTemporaryFile("w", suffix=".litmus") as file:
        file.write(litmus)
        file.flush()
        run = subprocess.run(["herd7", file.name], stdout=subprocess.PIPE, text=True, check=True)
    (answer,) = re.findall(r"^Observation \w+ (\w+)", run.stdout, re.MULTILINE)
    return str(answer) != "Never"


def main() -> int:
    """Returns the number of answers that are not those expected."""
    wrong = 0
    for path in sorted(HERE.glob("*.litmus")):
        for change, (instruction, replacement) in WEAKER.items():
            possible = is_possible(path.read_text().replace(instruction, replacement))
            expected = change in POSSIBLE[path.stem]
            wrong += possible != expected
            answer = "possible" if possible else "impossible"
            print(f"{path.stem:16} {change:21} {answer:11} {'as expected' if possible == expected else 'WRONG'}")
    print(f"{wrong} answers are not those expected")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
