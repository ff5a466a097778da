"""`ringbuf rebuild`: have the writer derive all orders, fills and sums again."""

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click

from ringbuf.errors import ConfigurationError
from ringbuf.query.holder import find_holder
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import holder
from ringbuf.state.query_client import SILENT_SECONDS
from ringbuf.tools.options import data_dir_option

_LOOK_SECONDS: Final = 0.2


class _Told(NamedTuple):
    """What a writer's status says: when, in ns since the epoch; how many records are left; and what fails."""

    updated_ns: int
    behind: int
    error: str | None


_NOTHING_TOLD: Final = _Told(0, 0, None)


@click.command()
@data_dir_option
@click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
def rebuild(data_dir: Path, no_wait: bool) -> None:
    """Have all orders, fills, sums and totals of profit derived from the records again.

    For when somebody has inserted rows into their tables, or taken parts of them away. The writer does it while all
    goes on: until it comes to them, the rows that are there stay. By itself it makes again what is lost as a whole, a
    table that was dropped or emptied, and everything if somebody has updated or deleted rows. Ctrl-C stops the
    waiting only.
    """
    directory = DataDirectory(data_dir)
    status.of_writer(directory)
    directory.rebuild.touch()
    if holder(directory.writer_lock) is None:
        click.echo(f"no writer runs on {data_dir}: the next one does it when it starts")
        return
    if no_wait:
        click.echo("asked for; `derivation` in the writer's status says how much is left")
        return
    _wait(directory)
    click.echo("all orders, fills and sums are derived again")


def _wait(directory: DataDirectory) -> None:
    """Show how far the writer is until it has done it, and what keeps it from going on.

    Raises:
        ConfigurationError: the writer has ended before.
        SinkUnavailable: it hangs.
    """
    most, told = 0, None
    with click.progressbar(length=1, label="deriving", file=sys.stderr, show_eta=True) as bar:
        for behind, error in _left(directory):
            if error not in (None, told):
                click.echo(f"\nthe writer cannot go on: {error}", err=True)
                told = error
            if behind > most:
                most = behind
                bar.length = most
            bar.pos = most - behind
            bar.update(0)


def _left(directory: DataDirectory) -> Iterator[tuple[int, str | None]]:
    """How many records are left, and what the writer fails with, again and again, until there are none."""
    taken_ns = math.inf
    for told in _statuses(directory):
        if taken_ns == math.inf and not directory.rebuild.exists():
            taken_ns = time.time_ns()
        is_of_rebuild = told.updated_ns > taken_ns
        yield told.behind if is_of_rebuild else 0, told.error
        if is_of_rebuild and not told.behind:
            return


def _statuses(directory: DataDirectory) -> Iterator[_Told]:
    """What the writer says about itself, again and again.

    Raises:
        ConfigurationError: it has ended.
        SinkUnavailable: it says nothing any more.
    """
    said, heard = _NOTHING_TOLD, time.monotonic()
    while True:
        told = _told(directory)
        if told.updated_ns != said.updated_ns:
            said, heard = told, time.monotonic()
        yield said
        if holder(directory.writer_lock) is None:
            raise ConfigurationError(f"the writer of {directory} has ended", "the next one goes on with it; start one")
        if time.monotonic() > heard + SILENT_SECONDS:
            raise find_holder(directory).silent(SILENT_SECONDS)
        time.sleep(_LOOK_SECONDS)


def _told(directory: DataDirectory) -> _Told:
    found = status.read(directory.status) or {}
    try:
        return _Told(int(found["updated_ns"]), int(found["derivation"]["behind"]), found["sink"]["error"])
    except (KeyError, TypeError, ValueError):
        return _NOTHING_TOLD
