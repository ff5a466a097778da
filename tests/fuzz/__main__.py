"""Fuzz every parser: `make fuzz INPUTS=100000 SEED=1`. What makes one fail is kept in tests/corrupt."""

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from ringbuf.ring import registry
from tests.checkout import CORRUPT
from tests.fuzz.parsers import mutated, parsers, survives


def main() -> int:
    """Returns the number of inputs that made a parser fail."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--inputs", type=int, default=100_000, help="how many inputs in all")
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    os.environ[registry.NAMESPACE_VARIABLE] = f"fuzz-{os.getpid()}"
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        subjects = parsers(Path(scratch))
        try:
            for parser in subjects:
                chance = random.Random(f"{given.seed} {parser.name}")
                started = time.monotonic()
                count = -(-given.inputs // len(subjects))
                for _ in range(count):
                    content = mutated(chance, parser.intact)
                    if parser.seal is not None and chance.randrange(2):
                        content = parser.seal(content)
                    try:
                        survives(parser, content)
                    except Exception:
                        failed += 1
                        path = CORRUPT / f"{parser.name.replace(' ', '-')}-{failed}.bin"
                        path.write_bytes(content)
                        logging.exception("%s fails, kept as %s", parser.name, path)
                seconds = time.monotonic() - started
                print(f"{parser.name:16} {count:8,} inputs in {seconds:6.1f} s, seed {given.seed}")
        finally:
            registry.remove("fuzzed", force=True)
    print(f"{failed} inputs made a parser fail")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
