"""The numbers that processes of one host claim, each at most once: a file with a line for each claim.

A process number is what makes a restart different. It is on disk before it is used, so neither a crash nor a clock that
is set back gives one twice. If the file is lost, the clock alone stands between old and new numbers: the next number is
at least the number of minutes since 2026, and a host that starts less than one process a minute stays behind that.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from ringbuf.errors import ConfigurationError
from ringbuf.strategies.arguments import check_kind

NUMBERS: Final = 1 << 24
"""Process numbers are below this."""
_BEGIN_S: Final = 1_767_225_600  # 2026-01-01T00:00:00Z
_MINUTE_S: Final = 60
_PATIENCE_S: Final = 5.0
_PAUSE_S: Final = 0.005


class ProcessNumbers:
    """The process numbers of one host.

    Args:
        directory: where the file is; it is made if it is not there. All processes that use the same host number must
            use the same directory, on a disk that stays.
        host: number of the host.
    """

    def __init__(self, directory: str | os.PathLike[str], host: int) -> None:
        check_kind("directory", os.fspath(directory) if isinstance(directory, os.PathLike) else directory, str)
        self.path = Path(directory) / f"process-numbers-{host}.csv"
        self._known: tuple[tuple[int, ...], dict[int, str]] = ((), {})

    def claim(self, strategy: str) -> int:
        """A number that no other process has had, noted with the strategy's name; on disk when this returns.

        Raises:
            ConfigurationError: the file cannot be used, or all numbers are used up.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._lock(file)
            return self._append(file, strategy)
        except OSError as error:
            raise self._unusable(error) from error
        finally:
            os.close(file)

    def strategy(self, number: int, modulus: int = NUMBERS) -> str | None:
        """The strategy that claimed a number last; None if nobody did here.

        Args:
            modulus: if only the remainder of the number by this is known.

        Raises:
            ConfigurationError: the file cannot be read.
        """
        known = self._known
        try:
            found = self.path.stat()
            version = found.st_size, found.st_mtime_ns, modulus
            if known[0] != version:  # reading it for each of many ids would take long
                names = {claimed % modulus: name for claimed, name in _claims(self.path.read_bytes())}
                self._known = known = version, names
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error
        return known[1].get(number % modulus)

    def _append(self, file: int, strategy: str) -> int:
        content = b"".join(iter(lambda: os.read(file, 1 << 20), b""))
        latest = max((number for number, _ in _claims(content)), default=-1)
        minutes = int(time.time() - _BEGIN_S) // _MINUTE_S
        number = max(latest + 1, minutes if minutes < NUMBERS else 0)
        if number >= NUMBERS:
            raise ConfigurationError(
                f"{self.path}: all {NUMBERS:,} process numbers are used up", "give the host another number"
            )
        begun = b"" if content.endswith(b"\n") or not content else b"\n"  # a line that a power failure cut
        line = begun + f"{number},{strategy}\n".encode()
        if os.write(file, line) != len(line):
            raise OSError(0, "only a part of the claim could be written")
        os.fsync(file)
        if not content:
            self._sync_directory()
        return number

    def _sync_directory(self) -> None:
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @staticmethod
    def _lock(file: int) -> None:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"{self.path}: {error.strerror or error}", "give a directory on a disk that the strategy may write to"
        )


def _claims(content: bytes) -> list[tuple[int, str]]:
    """Number and strategy of each whole line."""
    lines = (line.decode(errors="replace").partition(",") for line in content.split(b"\n"))
    claims = [(int(number), name) for number, comma, name in lines if comma and number.isascii() and number.isdecimal()]
    return [each for each in claims if each[0] < NUMBERS]
