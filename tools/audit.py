"""`ringbuf audit`: prove from sequence numbers that the database has every record."""

from pathlib import Path
from typing import Final

import click
from rich.text import Text

from ringbuf.audit.audit import audit as make_audit
from ringbuf.audit.reconciliation import Account, LostRing, Reconciliation
from ringbuf.record.seqs import SeqSet
from ringbuf.state.checkpoint import Straggler
from ringbuf.tools.options import data_dir_option, timeout_option
from ringbuf.tools.output import ABSENT, json_option, print_json, print_table, styled, time_text

REMOVED_CODE: Final = 3
"""Exit code if all was captured and stored, and some of it was removed since."""
_COLUMNS: Final = ("recorded", "stored", "pending", "quarantined", "removed", "lost", "doubled", "dropped")
_SHOWN_GAPS: Final = 20


@click.command()
@data_dir_option
@timeout_option
@json_option
@click.pass_context
def audit(ctx: click.Context, data_dir: Path, timeout: float, as_json: bool) -> None:
    """Prove from sequence numbers that database = journal + rings.

    Each record that was ever accepted is counted once: stored in the database, pending on its way there, quarantined
    because the database refuses it, removed since it was stored (by a TTL, DELETE, TRUNCATE, dropped partition, or
    because the database was lost), or lost. The exit code is 1 if something is lost or doubled, a ring is gone that
    nobody saw to its end, or something could not be read; else 3 if records were removed, else 0. Records dropped
    because a ring was full were never accepted; they are shown, too. The writer may be running.
    """
    made = make_audit(data_dir, timeout)
    if as_json:
        print_json(made.described())
    else:
        _print(made.found, made.totals, made.late)
    ctx.exit(1 if not made.found.is_proven else 0 if made.found.is_complete else REMOVED_CODE)


def _print(found: Reconciliation, totals: dict[str, int], late: int) -> None:
    if found.accounts:
        titles = ("RING", "SESSION", "SCHEMA", *(name.upper() for name in _COLUMNS))
        shown = [each for each in found.accounts if not _is_gone(each)]
        print_table(titles, [_row(each) for each in shown], left=titles[:3])
        if len(shown) < len(found.accounts):
            click.echo(f"and {len(found.accounts) - len(shown):,} sessions of which all was removed, see --json")
        click.echo()
    for each in found.accounts:
        unknown = each.removed - each.retired
        if unknown and not _is_gone(each):
            click.echo(f"stored once and removed since, {_named(each)}: {_gaps(unknown)}")
        if each.lost.count:
            click.echo(f"lost of {_named(each)}: {_gaps(each.lost)}")
        if each.lost_ring is not None:
            click.echo(_possibly_lost(each, each.lost_ring))
    for schema, straggler in found.behind.items():
        click.echo(_behind(schema, straggler, found.pending_of(schema)))
    for problem in found.problems:
        click.echo(f"problem: {problem}")
    counted = ", ".join(f"{totals[name]:,} {name}" for name in _COLUMNS[1:-1])
    aside = [f"{totals['raw_duplicates']:,} copies await their merge"] if totals["raw_duplicates"] else []
    if totals["retired"]:
        aside += [f"{totals['retired']:,} of the removed were older than the writer keeps"]
    aside += [f"{totals['dropped']:,} records found a ring full and were dropped"] if totals["dropped"] else []
    aside += (
        [f"{totals['expired']:,} of the removed were taken by their table's TTL at once"] if totals["expired"] else []
    )
    aside += [f"{late:,} came too late for their orders: SELECT * FROM late_reports"] if late else []
    click.echo("; ".join([f"{totals['recorded']:,} records recorded: {counted}", *aside]))
    if found.is_proven and found.is_complete:
        click.secho("PROVEN: nothing is lost, nothing is doubled.", fg="green", bold=True)
    elif found.is_proven:
        unexplained = totals["removed"] - totals["retired"]
        removed = f"{unexplained:,} records were stored once and have been removed from the database since"
        click.secho(f"PROVEN: nothing is lost, nothing is doubled; but {removed}.", fg="yellow", bold=True)
    else:
        click.secho(f"NOT PROVEN: {_reasons(found, totals)}.", fg="red", bold=True)


def _is_gone(each: Account) -> bool:
    """Whether nothing is left of a session but that it was there once: as of all old ones where a TTL is at work."""
    return each.ring is None and each.removed.count == each.recorded.count > 0 and each.lost_ring is None


def _named(each: Account) -> str:
    return f"{each.origin.ring or 'unknown ring'}, session {each.session:016x}"


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
        *(_alarm(count) for count in (each.quarantined.count, each.removed.count, each.lost.count, each.doubled)),
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
