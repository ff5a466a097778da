"""`ringbuf import`: records saved messages, or with `--check` says what would become of them."""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from ringbuf.conformance.check import Check, check
from ringbuf.conformance.ending import Ending
from ringbuf.conformance.named import named_adapter
from ringbuf.conformance.play import maker
from ringbuf.conformance.saved import Saved, read_messages, text_of
from ringbuf.errors import ConfigurationError
from ringbuf.record.attempt import attempt
from ringbuf.record.value import shown
from ringbuf.strategies.adapters.adapter import LOGGER
from ringbuf.strategies.adapters.mapping import FieldMapping
from ringbuf.strategies.adapters.message import plain
from ringbuf.tools.cli import PROBLEM
from ringbuf.tools.lookback import record
from ringbuf.tools.output import ABSENT, json_option, print_json, print_table, printable

_LISTED: Final = 20
"""So many lines of a kind are shown to people; `--json` has all."""
_PAGE: Final = ("PAGE", "SIDE", "STATUS", "PRICE", "QUANTITY", "EXECUTED", "OPEN")
_POSITION: Final = ("POSITION", "QUANTITY", "OPEN BUY", "OPEN SELL")


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--check", "is_check", is_flag=True, help="Record nothing, and say what would become of each message.")
@click.option(
    "--adapter",
    required=True,
    metavar="NAME",
    help="Reads the messages: ccxt, nautilus, fix, mapping, a venue as okx, or module:object of your own.",
)
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with fields, words, times and constants, for the adapter `mapping`.",
)
@click.option("--exchange", metavar="NAME", help="Exchange of messages that do not tell it.")
@click.option("--account", metavar="NAME", help="Account of messages that do not tell it.")
@click.option(
    "--strategy", default="import", show_default=True, metavar="NAME", help="Strategy whose position the fills are in."
)
@click.option("--ring", default="import", show_default=True, metavar="NAME", help="The ring that is recorded into.")
@click.option(
    "--runs",
    type=click.IntRange(min=0),
    help="With --check, streams of each kind: in any order, repeated, with losses and then a snapshot; by default up"
    " to 10.",
)
@json_option
@click.pass_context
def importing(
    ctx: click.Context,
    file: BinaryIO,
    is_check: bool,
    adapter: str,
    mapping: Path | None,
    exchange: str | None,
    account: str | None,
    strategy: str,
    ring: str,
    runs: int | None,
    as_json: bool,
) -> None:
    """Record what the messages of FILE tell, as an adapter reads them; `-` is stdin.

    FILE has JSON (one value or several), CSV with names in its first row if it ends in .csv, or lines of text, and may
    be packed with gzip. The records go into a ring of their own, as look-back records: what was captured live, or
    imported before, counts once. A writer takes them from there; while the ring is full, this waits for one. What
    cannot be kept is listed.

    With --check nothing is recorded: what cannot be kept and what is kept with a flag is listed, and the pages that the
    messages end in.

    Exit code 0: all is kept; with --check there must be something, and the pages the same in whatever order the
    messages come.
    """
    if not is_check and not (exchange and account):
        raise click.UsageError("positions are kept by exchange and account: give --exchange and --account", ctx)
    if adapter == "mapping" and mapping is None:
        raise click.UsageError("the adapter `mapping` needs --mapping FILE", ctx)
    given = {"exchange": exchange, "account": account, "mapping": None if mapping is None else read_mapping(mapping)}
    more: dict[str, Any] = {name: value for name, value in given.items() if value}
    make = maker(named_adapter(adapter), strategy=strategy, **more)
    name = str(getattr(file, "name", "stdin"))
    saved = read_messages(text_of(file.read(), name), name.removesuffix(".gz"))
    with _unlogged():
        if not is_check:
            done = record(make, saved, ring)
            (print_json if as_json else _print_recorded)(done)
            ctx.exit(0 if not done["refused"] else PROBLEM)
        found = check(make, [each.message for each in saved], runs=runs)
    if as_json:
        print_json(_described(saved, found))
    else:
        _print(saved, found)
    ctx.exit(0 if found.is_kept else PROBLEM)


@contextmanager
def _unlogged() -> Iterator[None]:
    """What an adapter would log is listed here, with all else."""
    was = LOGGER.disabled
    LOGGER.disabled = True
    try:
        yield
    finally:
        LOGGER.disabled = was


def read_mapping(path: Path) -> FieldMapping:
    """The mapping in a file of TOML.

    Raises:
        ConfigurationError: it is no TOML, or no mapping.
    """
    try:
        return FieldMapping(**tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path} is no mapping: {error}", "give tables `fields`, `words`, `constants`, and `times`"
        ) from error


def _described(saved: list[Saved], found: Check) -> dict[str, Any]:
    played = found.played
    return {
        "messages": found.messages,
        "updates": played.updates,
        "silent": [saved[place].number for place in played.silent],
        "kept": found.is_kept,
        "refused": [
            {"number": saved[place].number, "why": each.why, "kind": each.kind, "message": _whole(each.message)}
            for place, each in played.refused
        ],
        "flagged": [
            {
                "number": saved[each.message].number,
                "what": each.what,
                "order_id": each.update.get("order_id", ""),
                "trade_id": each.update.get("trade_id", ""),
            }
            for each in played.flagged
        ],
        "orders": [
            dict(zip(("exchange", "account", "symbol", "order"), key, strict=True))
            | {
                "client_order_id": page.client_order_id,
                "side": page.side.name.lower(),
                "status": page.status.name.lower(),
                "price": _number(page.price),
                "quantity": _number(page.quantity),
                "executed": _number(page.executed),
                "open": _number(page.open),
            }
            for key, page in played.ending.orders.items()
        ],
        "positions": [
            key._asdict() | {name: _number(value) for name, value in position._asdict().items()}
            for key, position in played.ending.positions.items()
        ],
        "commissions": {currency: _number(amount) for currency, amount in played.ending.commissions.items()},
        "runs": found.runs,
        "different": [each._asdict() for each in found.different],
    }


def _whole(message: Any) -> str:
    """A message as it was saved, as far as it can be written in JSON."""
    return message if isinstance(message, str) else attempt(shown(message), json.dumps, message, default=str)


def _number(value: Any) -> str | None:
    return None if value is None else plain(value)


def _print(saved: list[Saved], found: Check) -> None:
    played = found.played
    click.echo(
        f"{found.messages:,} messages: {played.updates:,} updates, {len(played.flagged):,} of them with a flag,"
        f" {len(played.refused):,} could not be kept, {len(played.silent):,} told nothing of an order"
    )
    _list("COULD NOT BE KEPT", [(saved[place].number, each.why) for place, each in played.refused])
    _list("KEPT WITH A FLAG", [(saved[each.message].number, each.what) for each in played.flagged])
    _print_ending(played.ending)
    if found.runs:
        kinds = {each.stream for each in found.different}
        click.echo(f"\nin any order, repeated, after losses ({found.runs} runs each): ", nl=False)
        click.echo("the end is the same" if not kinds else f"the end is another one: {', '.join(sorted(kinds))}")
        lines = sorted({line for each in found.different for line in each.differences})
        for line in lines[:_LISTED]:
            click.echo(f"  {printable(line)}")


def _print_recorded(done: dict[str, Any]) -> None:
    click.echo(
        f"{done['messages']:,} messages: {done['updates']:,} updates recorded in ring {done['ring']!r},"
        f" {len(done['refused']):,} could not be kept, {len(done['silent']):,} told nothing of an order"
    )
    if done["unread"]:
        click.echo(f"{done['unread']:,} records wait in the ring for a writer, until this host ends")
    _list("COULD NOT BE KEPT", [(each["number"], each["why"]) for each in done["refused"]])


def _list(title: str, rows: list[tuple[int, str]]) -> None:
    if rows:
        click.echo()
        print_table(["MESSAGE", title], [(str(line), what) for line, what in rows[:_LISTED]], left=[title])
        if len(rows) > _LISTED:
            click.echo(f"  … and {len(rows) - _LISTED:,} more; --json has all")


def _print_ending(ending: Ending) -> None:
    pages = [
        (
            "/".join(filter(None, key)),
            page.side.name.lower(),
            page.status.name.lower(),
            _cell(page.price),
            _cell(page.quantity),
            _cell(page.executed),
            _cell(page.open),
        )
        for key, page in ending.orders.items()
    ]
    positions = [
        ("/".join(filter(None, key)), _cell(each.quantity), _cell(each.open_buy), _cell(each.open_sell))
        for key, each in ending.positions.items()
    ]
    for titles, rows in ((_PAGE, pages), (_POSITION, positions)):
        if rows:
            click.echo()
            print_table(titles, rows, left=(*titles[:1], "SIDE", "STATUS"))
    if ending.commissions:
        paid = (f"{plain(amount)} {currency}".rstrip() for currency, amount in sorted(ending.commissions.items()))
        click.echo(f"\ncommissions {printable(', '.join(paid))}")


def _cell(value: Any) -> str:
    return ABSENT if value is None else plain(value)
