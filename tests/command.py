"""The command `ringbuf` as it is installed, run in a process of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Final

RINGBUF: Final = str(Path(sys.executable).with_name("ringbuf"))


def ringbuf(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end; whether it went well is for the test to say."""
    return subprocess.run([RINGBUF, *arguments], capture_output=True, text=True, check=False)
