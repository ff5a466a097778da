"""`ringbuf resend`: send quarantined records once more."""

from pathlib import Path
from typing import Final

import click

from ringbuf.tools.options import data_dir_option
from ringbuf.tools.output import json_option, print_json
from ringbuf.writer.load.resend_request import resend_quarantined

_SHOWN: Final = 20


@click.command()
@data_dir_option
@json_option
@click.pass_context
def resend(ctx: click.Context, data_dir: Path, as_json: bool) -> None:
    """Send quarantined records to the database once more.

    For when you have mended what refused them: a constraint, a table, a user's rights. Stop the writer first. The exit
    code is 0 if none is left in quarantine. Safe to repeat: what the database has is not sent again.
    """
    outcome = resend_quarantined(data_dir)
    if as_json:
        print_json(outcome.described())
    else:
        if outcome.expired:
            click.echo(f"{outcome.expired:,} records had expired by their table's TTL, which deleted them at once")
        click.echo(f"{outcome.stored:,} records stored, {len(outcome.refused):,} still refused")
        for each, reason in list(outcome.refused.items())[:_SHOWN]:
            click.echo(f"  session {each.session:016x} record {each.first_seq}: {reason}")
    ctx.exit(1 if outcome.refused else 0)
