"""The command `ringbuf` as it is installed, run in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

RINGBUF: Final = str(Path(sys.executable).with_name("ringbuf"))


def ringbuf(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end; whether it went well is for the test to say."""
    return subprocess.run([RINGBUF, *arguments], capture_output=True, text=True, check=False)


def audit(data_dir: Path) -> tuple[dict[str, Any], int]:
    """What an audit prints, and its exit code."""
    result = ringbuf("audit", "--json", "--data-dir", str(data_dir))
    found: dict[str, Any] = json.loads(result.stdout)
    return found, result.returncode


def audit_totals(data_dir: Path) -> tuple[dict[str, Any], int]:
    """The totals of an audit, and its exit code."""
    found, code = audit(data_dir)
    return found["totals"], code


def count(data_dir: Path, table: str) -> int:
    """How many records a table has, by `ringbuf sql`."""
    result = ringbuf("sql", f"SELECT count() AS n FROM {table}", "--json", "--data-dir", str(data_dir))
    return int(json.loads(result.stdout)["n"])
