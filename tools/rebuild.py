"""`ringbuf rebuild`: have the writer derive all orders, fills and sums again."""

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from ringbuf.errors import ConfigurationError
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory
from ringbuf.state.lock_file import holder
from ringbuf.tools.options import data_dir_option

_LOOK_SECONDS: Final = 0.2


@click.command()
@data_dir_option
@click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
def rebuild(data_dir: Path, no_wait: bool) -> None:
    """Have all orders, fills, sums and totals of profit derived from the records again.

    For when somebody has altered their tables. The writer does it while all goes on: until it comes to them, the rows
    that are there stay. What is lost as a whole, a table that was dropped or emptied, it makes again by itself. Ctrl-C
    stops the waiting only.
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
    while True:
        if taken_ns == math.inf and not directory.rebuild.exists():
            taken_ns = time.time_ns()
        if (told := _told(directory)) is not None:
            updated_ns, behind, error = told
            yield behind if updated_ns > taken_ns else 0, error
            if updated_ns > taken_ns and not behind:
                return
        _check(directory)
        time.sleep(_LOOK_SECONDS)


def _told(directory: DataDirectory) -> tuple[int, int, str | None] | None:
    """When the status was written, how many records are left, and what fails; None if it does not tell that."""
    found = status.read(directory.status) or {}
    try:
        return int(found["updated_ns"]), int(found["derivation"]["behind"]), found["sink"]["error"]
    except (KeyError, TypeError, ValueError):
        return None


def _check(directory: DataDirectory) -> None:
    if holder(directory.writer_lock) is None:
        raise ConfigurationError(f"the writer of {directory} has ended", "the next one goes on with it; start one")
