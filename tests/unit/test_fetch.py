"""`make test` fetches what it can, and says plainly what it left out and why."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.checkout import ROOT

FETCH = str(ROOT / ".ci" / "fetch")
NEEDED = ("bash", "cat", "env", "grep", "mkdir", "mktemp", "mv", "rm", "sha256sum", "sh", "tar")
PACKAGE = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
NO_REDIS = "redis-server: it is not installed, and there is no apt-get to install it"
NO_NETWORK = "#!/bin/sh\necho 'npm error code ENOTFOUND' >&2; exit 1\n"
FORGED = "#!/bin/sh\necho forged > library.tgz; echo library.tgz\n"


class Host:
    """A host with a PATH and a cache of its own, and no more programs than every host has.

    The programs stand in a folder of links; what a test adds stands in another one, in front of it, so that nothing is
    written through a link.
    """

    def __init__(self, directory: Path) -> None:
        self.cache = directory / "cache"
        self._own = directory / "own"
        self._links = directory / "links"
        self._own.mkdir()
        self._links.mkdir()
        for name in NEEDED:
            (self._links / name).symlink_to(str(shutil.which(name)))
        self.install("uname", "#!/bin/sh\necho x86_64\n")

    def install(self, name: str, program: str) -> None:
        """Add a program, or replace one that was added."""
        path = self._own / name
        path.write_text(program)
        path.chmod(0o755)

    def fetch(self, *arguments: str, **environment: str) -> list[str]:
        """What the script says that it left out."""
        own = {"PATH": f"{self._own}:{self._links}", "HOME": str(self.cache), "XDG_CACHE_HOME": str(self.cache)}
        command = [FETCH, *arguments]
        done = subprocess.run(command, env=own | environment, stdout=subprocess.PIPE, text=True, check=True)
        return sorted(done.stdout.splitlines())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize(
    ("npm", "said"),
    [
        (None, "npm, which fetches its library, is not installed"),
        (NO_NETWORK, f"npm cannot fetch {PACKAGE}: npm error code ENOTFOUND"),
        (FORGED, f"what npm fetched as {PACKAGE} has another checksum and was thrown away"),
    ],
    ids=["no npm", "no network", "another file"],
)
def test_what_cannot_be_fetched_is_named_with_the_reason_and_leaves_nothing_behind(
    npm: str | None, said: str, host: Host
) -> None:
    if npm is not None:
        host.install("npm", npm)
    assert host.fetch() == [f"ClickHouse server: {said}", NO_REDIS]
    assert not list(host.cache.rglob("*.*"))


def test_on_another_processor_no_library_is_fetched(host: Host) -> None:
    host.install("uname", "#!/bin/sh\necho aarch64\n")
    assert host.fetch()[0].startswith("ClickHouse server: its library is fetched for x86-64 only")


def test_nothing_is_fetched_that_is_there_already(host: Host) -> None:
    host.install("redis-server", "#!/bin/sh\n")
    assert host.fetch(RINGBUF_TEST_CLICKHOUSE_URL="http://localhost:8123") == []
    assert host.fetch(RINGBUF_TEST_LIBCHDB="/somewhere/libchdb.so") == []
    (found,) = host.fetch("--library")
    library = Path(found)
    assert library.is_relative_to(host.cache)
    library.parent.mkdir(parents=True)
    library.touch()
    assert host.fetch() == []


def test_redis_is_installed_by_root_alone(host: Host) -> None:
    host.install("apt-get", "#!/bin/sh\nexit 1\n")
    said = host.fetch(RINGBUF_TEST_LIBCHDB="/somewhere/libchdb.so")
    if os.geteuid() == 0:
        assert said == ["redis-server: apt-get cannot install it"]
    else:
        assert said == ["redis-server: only root can install it: sudo apt-get install redis-server"]
