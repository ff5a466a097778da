"""`ringbuf audit`: prove from sequence numbers that the database has every record."""

from pathlib import Path
from typing import Final

import click
from rich.text import Text

from ringbuf.audit.audit import COUNTS
from ringbuf.audit.audit import audit as make_audit
from ringbuf.audit.reconciliation import Account, LostRing, Reconciliation
from ringbuf.record.seqs import SeqSet
from ringbuf.state.checkpoint import Straggler
from ringbuf.tools.options import data_dir_option, timeout_option
from ringbuf.tools.output import ABSENT, json_option, print_json, print_table, styled, time_text

_SHOWN_GAPS: Final = 20


@click.command()
@data_dir_option
@timeout_option
@json_option
@click.pass_context
def audit(ctx: click.Context, data_dir: Path, timeout: float, as_json: bool) -> None:
    """Prove from sequence numbers that database = journal + rings.

    Each record that was ever accepted is counted once: stored in the database, pending on its way there, quarantined
    because the database refuses it, or lost. The exit code is 0 only if nothing is lost or doubled, each ring is there
    or was seen to its end, and all could be read. Records dropped because a ring was full were never accepted; they are
    shown, too. The writer may be running.
    """
    made = make_audit(data_dir, timeout)
    if as_json:
        print_json(made.described())
    else:
        _print(made.found, made.totals)
    ctx.exit(0 if made.found.is_proven else 1)


def _print(found: Reconciliation, totals: dict[str, int]) -> None:
    if found.accounts:
        titles = ("RING", "SESSION", "SCHEMA", *(name.upper() for name in (*COUNTS[:-1], "dropped")))
        print_table(titles, [_row(each) for each in found.accounts], left=titles[:3])
        click.echo()
    for each in found.accounts:
        if each.lost.count:
            name = each.origin.ring or "unknown ring"
            click.echo(f"lost of {name}, session {each.session:016x}: {_gaps(each.lost)}")
        if each.lost_ring is not None:
            click.echo(_possibly_lost(each, each.lost_ring))
    for schema, straggler in found.behind.items():
        click.echo(_behind(schema, straggler, found.pending_of(schema)))
    for problem in found.problems:
        click.echo(f"problem: {problem}")
    counted = ", ".join(f"{totals[name]:,} {name}" for name in COUNTS[1:-1])
    aside = [f"{totals['raw_duplicates']:,} copies await their merge"] if totals["raw_duplicates"] else []
    aside += [f"{totals['dropped']:,} records found a ring full and were dropped"] if totals["dropped"] else []
    click.echo("; ".join([f"{totals['recorded']:,} records recorded: {counted}", *aside]))
    if found.is_proven:
        click.secho("PROVEN: nothing is lost, nothing is doubled.", fg="green", bold=True)
    else:
        click.secho(f"NOT PROVEN: {_reasons(found, totals)}.", fg="red", bold=True)


def _possibly_lost(each: Account, ring: LostRing) -> str:
    why = "the host was started again since" if ring.rebooted else "its file was removed, and its process ended"
    return (
        f"possibly lost of {each.origin.ring}, session {each.session:016x}: what process {ring.pid} recorded after "
        f"{ring.end:,} records. Its ring is gone and nobody saw its end: {why}. The journal heard of it last at "
        f"{time_text(ring.written_ns)}"
    )


def _behind(schema: str, straggler: Straggler, pending: int) -> str:
    since = time_text(straggler.since_ns)
    return f"behind since {since}: schema {schema}, {pending:,} records pending: {straggler.why}"


def _row(each: Account) -> list[str | Text]:
    return [
        each.origin.ring or ABSENT,
        f"{each.session:016x}",
        each.origin.schema or ABSENT,
        *(f"{seqs.count:,}" for seqs in (each.recorded, each.stored, each.pending)),
        *(_alarm(count) for count in (each.quarantined.count, each.lost.count, each.doubled)),
        ABSENT if each.ring is None else _alarm(each.ring.dropped),
    ]


def _alarm(count: int) -> Text:
    return styled(f"{count:,}", "bold red" if count else "")


def _gaps(lost: SeqSet) -> str:
    shown = ", ".join(f"[{gap.first_seq}, {gap.end})" for gap in lost.ranges[:_SHOWN_GAPS])
    more = len(lost.ranges) - _SHOWN_GAPS
    return shown + (f" and {more:,} more gaps, see --json" if more > 0 else "")


def _reasons(found: Reconciliation, totals: dict[str, int]) -> str:
    counts = [f"{totals[name]:,} records are {name}" for name in ("lost", "doubled") if totals[name]]
    lost_rings = sum(each.lost_ring is not None for each in found.accounts)
    counts += [f"{lost_rings} rings are gone without an end"] if lost_rings else []
    return ", ".join(counts + ([f"{len(found.problems)} problems"] if found.problems else []))
