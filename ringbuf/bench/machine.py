"""Where and how a benchmark ran."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ringbuf.ring import native
from ringbuf.trading import order


def describe() -> dict[str, Any]:
    """Machine, kernel, processor, Python, version, implementations, load and command."""
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores, {_memory_gb():.0f} GB, {platform.machine()}",
        "cpu": _cpu(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "version": version("ringbuf-capture"),
        "commit": _commit(),
        "core": "pure" if native.CORE is None else "native",
        "rules": "Python" if str(order.__file__).endswith(".py") else "compiled",
        "load": " ".join(f"{each:.2f}" for each in os.getloadavg()),
        "started": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "command": shlex.join(["ringbuf", *sys.argv[1:]]),
    }


def file_system(directory: Path) -> str:
    """The kind of file system a directory is on, such as ext4 or tmpfs."""
    device = os.stat(directory).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == number:
            return source.split()[0]
    return "unknown"


def place(directory: Path) -> str:
    """A fresh directory's file system, and where it was made."""
    return f"{file_system(directory)}, {directory.parent}"


def available_memory() -> int:
    """Bytes that can be used before the machine has to swap."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def cores() -> tuple[int, int] | None:
    """A core for the producer and another one for the consumer; None if there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


def _memory_gb() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else "unknown"


def _commit() -> str | None:
    """The commit of the checkout this runs from, None if it was installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
