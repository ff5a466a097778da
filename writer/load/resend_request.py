"""Has quarantined records sent once more, by a process of its own, which ends at once if a writer comes.

Ended by a writer at any moment, it has stored what it has stored; a process of its own, since a writer may have to kill
it, and the one that uses this module must not load the embedded engine.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from ringbuf.errors import JournalInUse, RingbufError, SinkUnavailable
from ringbuf.record.seqs import Range
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.database_lock import GAVE_WAY
from ringbuf.state.lock_file import holder

MODULE: Final = "ringbuf.writer.load.resend_process"


@dataclass
class Outcome:
    """What became of the quarantined records.

    Attributes:
        stored: records that the database has now.
        expired: records that it has taken, and that its table's own TTL has deleted at once.
        refused: records it still refuses, with the reason.
    """

    stored: int = 0
    expired: int = 0
    refused: dict[Range, str] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """As `ringbuf resend --json` shows it."""
        refused = [{**asdict(each), "reason": reason} for each, reason in self.refused.items()]
        return {"stored": self.stored, "expired": self.expired, "refused": refused}

    @classmethod
    def from_described(cls, description: dict[str, Any]) -> "Outcome":
        """What another process has described."""
        reasons = [each.pop("reason") for each in description["refused"]]
        ranges = [Range(**each) for each in description["refused"]]
        return cls(description["stored"], description["expired"], dict(zip(ranges, reasons, strict=True)))


def resend_quarantined(data_dir: Path) -> Outcome:
    """Send all quarantined records that the database does not have, and keep in quarantine what it still refuses.

    May be interrupted at any moment and called again.

    Raises:
        ConfigurationError: no writer ever ran on the directory.
        JournalInUse: a writer has it, or has come meanwhile; or another process has the database.
        SinkError: the database cannot be used; what was stored until then stays stored.
    """
    directory = DataDirectory(data_dir)
    command = [sys.executable, "-P", "-m", MODULE, str(data_dir)]
    # Its stdin stays open as long as we live; a group of its own, since Ctrl-C in the terminal is for us.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0) as process:
        assert process.stdout is not None
        answer = process.stdout.read()
        code = process.wait()
    if code == 0:
        return _outcome(json.loads(answer))
    writer = holder(directory.writer_lock)
    if writer is not None:
        raise JournalInUse(
            f"data directory {directory} is held by a writer, process {writer or 'unknown'}",
            "stop it, then send again: what the database has is not sent twice",
        )
    if code == GAVE_WAY:
        other = holder(directory.database_lock)
        raise JournalInUse(
            f"another process, {other or 'unknown'}, has the database of {directory}", "try again when it has ended"
        )
    raise SinkUnavailable(f"the process that sends quarantined records ended with code {code}", "run it again")


def _outcome(answer: dict[str, Any]) -> Outcome:
    if "error" in answer:
        raise RingbufError.from_described(answer)
    return Outcome.from_described(answer)
