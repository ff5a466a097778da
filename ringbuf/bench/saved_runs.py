"""Runs of `ringbuf bench query` that were saved with --json, beside each other: how time grows with size."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ringbuf.bench.report import LABEL, Report, Section
from ringbuf.errors import ConfigurationError

ANSWERS: Final = "answers"
"""What the title of the section of questions begins with."""
FIGURES: Final = ("p50", "p99")
NOTE: Final = (
    "One column for each run, with its millions of records and its positions; the machine is that of the first."
)


def saved_report(files: Sequence[Path]) -> Report:
    """The answers of some runs.

    Raises:
        ConfigurationError: a file cannot be read, or has no such run.
    """
    runs = sorted((_read(each) for each in files), key=lambda run: (run["records"], run["keys"]))
    names = [f"{run['records'] / 1e6:g} M, {run['keys']:,} keys" for run in runs]
    if len({*names}) < len(names):
        raise ConfigurationError("two of the saved runs have the same size", "give one of each size")
    questions = dict.fromkeys(row[LABEL] for run in runs for row in run["rows"])
    sections = []
    for figure in FIGURES:
        found = [{row[LABEL]: row[figure] for row in run["rows"]} for run in runs]
        rows = [
            {LABEL: question, **{name: each.get(question) for name, each in zip(names, found, strict=True)}}
            for question in questions
        ]
        sections.append(Section(f"{ANSWERS} by size, {figure}", rows, names, "ms", NOTE))
    return Report("query", runs[0]["quick"], sections, machine=runs[0]["machine"])


def _read(file: Path) -> dict[str, Any]:
    """Size, machine and questions of one run."""
    try:
        run = json.loads(file.read_text())
        rows = next(each["rows"] for each in run["sections"] if each["title"].startswith(ANSWERS))
        size = {name: int(run["machine"][name]) for name in ("records", "keys")}
        if run["benchmark"] != "query" or not all({LABEL, *FIGURES} <= row.keys() for row in rows):
            raise ValueError("it is of another benchmark")
        return {**size, "quick": bool(run["quick"]), "machine": run["machine"], "rows": rows}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration) as error:
        raise ConfigurationError(
            f"{file} is no saved run of this benchmark: {type(error).__name__}: {error}",
            "give what `ringbuf bench query --json` has printed",
        ) from error
