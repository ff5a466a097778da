"""`ringbuf rebuild`: have the writer derive all orders, fills and sums again."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from ringbuf.errors import ConfigurationError
from ringbuf.query.database import writer_status
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
    writer_status(data_dir)
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
    """Show how far the writer is until it has done it.

    Raises:
        ConfigurationError: the writer has ended before.
    """
    most = 0
    with click.progressbar(length=1, label="deriving", file=sys.stderr, show_eta=True) as bar:
        for behind in _left(directory):
            if behind > most:
                most = behind
                bar.length = most
            bar.pos = most - behind
            bar.update(0)


def _left(directory: DataDirectory) -> Iterator[int]:
    """How many records are left, again and again, until there are none."""
    while directory.rebuild.exists():
        _check(directory)
        time.sleep(_LOOK_SECONDS)
    taken_ns = time.time_ns()
    while True:
        found = status.read(directory.status) or {}
        if found.get("updated_ns", 0) > taken_ns:
            yield (behind := found["derivation"]["behind"])
            if not behind:
                return
        _check(directory)
        time.sleep(_LOOK_SECONDS)


def _check(directory: DataDirectory) -> None:
    if holder(directory.writer_lock) is None:
        raise ConfigurationError(f"the writer of {directory} has ended", "the next one goes on with it; start one")
