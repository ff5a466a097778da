"""`ringbuf instruments`: which instruments are known, and `ringbuf instruments load FILE`: make some known."""

import itertools
from pathlib import Path
from typing import Final, TextIO

import click

from ringbuf.errors import ConfigurationError
from ringbuf.instruments.recording import record_contracts
from ringbuf.query.database import open_database
from ringbuf.query.instruments import UnknownInstrument, recorded_contracts, unknown_instruments
from ringbuf.ring import registry
from ringbuf.tools.options import timeout_option
from ringbuf.tools.output import ABSENT, json_option, print_json, print_table
from ringbuf.trading.contract_table import KEY, Contracts, read_contracts, row_of

_TITLES: Final = (
    "EXCHANGE", "SYMBOL", "KIND", "MULTIPLIER", "TICK", "STEP", "BASE", "QUOTE", "SETTLE", "VALUE STEP",
)  # fmt: skip
_NUMBERS: Final = ("MULTIPLIER", "TICK", "STEP", "VALUE STEP")


@click.group(invoke_without_command=True)
@click.option(
    "--data-dir",
    envvar="RINGBUF_DATA_DIR",
    type=click.Path(path_type=Path),  # it need not exist: `load` does without, and the environment gives it to all
    help="Directory of the writer whose database is asked; else RINGBUF_DATA_DIR.",
)
@timeout_option
@json_option
@click.pass_context
def instruments(ctx: click.Context, data_dir: Path | None, timeout: float, as_json: bool) -> None:
    """List the instruments that the database knows, and those that occur and that it does not know.

    Those that it does not know count as spot. `ringbuf instruments load FILE` makes instruments known.
    """
    if ctx.invoked_subcommand is not None:
        return
    if data_dir is None:
        raise click.UsageError("give --data-dir, or `load FILE`", ctx)
    with open_database(data_dir, timeout) as database:
        contracts = recorded_contracts(database)
        unknown = unknown_instruments(database, contracts)
    if as_json:
        rows = [dict(zip(KEY, key, strict=True)) | row_of(contract) for key, contract in contracts.items()]
        print_json({"instruments": rows, "unknown": [each._asdict() for each in unknown]})
    else:
        _print(contracts, unknown)


@instruments.command()
@click.argument("file", type=click.File(encoding="utf-8-sig"))
@json_option
def load(file: TextIO, as_json: bool) -> None:
    """Make the instruments of a CSV FILE known; `-` is stdin.

    They are recorded into the ring `instruments`, and a writer of this namespace brings them into the database. Of an
    instrument that is loaded again the latest specification counts.
    """
    namespace = registry.resolve_namespace()
    contracts = read_contracts(file, str(file.name))
    if not contracts:
        raise ConfigurationError(f"{file.name} has no instruments", "give one on each line behind the names")
    recorded = record_contracts(contracts, namespace)
    if as_json:
        print_json({"namespace": namespace, "recorded": recorded})
    else:
        click.echo(
            f"{recorded:,} instruments recorded; a writer of namespace {namespace!r} brings them into the database"
        )


def _print(contracts: Contracts, unknown: list[UnknownInstrument]) -> None:
    rows = [[*key, *(value or ABSENT for value in row_of(contract).values())] for key, contract in contracts.items()]
    occurring = [[each.exchange, each.symbol, "unknown: spot", *itertools.repeat(ABSENT, 7)] for each in unknown]
    if not (rows or occurring):
        click.echo("(no instruments)")
        return
    left = [title for title in _TITLES if title not in _NUMBERS]
    print_table(_TITLES, rows + occurring, left=left)
