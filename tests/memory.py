"""How much memory a process has used."""

from pathlib import Path


def peak_memory(pid: int) -> int:
    """The most that a process has had so far, in bytes.

    `wait4` and `getrusage` do not tell it: they count what the process that started this one had at most, too.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
