"""Options that several subcommands have."""

import math
from pathlib import Path
from typing import Any, Final

import click

from ringbuf.query.database import ANSWER_SECONDS

MOST_SECONDS: Final = 1_000_000
"""Of a time limit, which the system reads as 64 bits of ns."""


class Amount(click.FloatRange):
    """A number in a range; NaN, which no comparison keeps out, is none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As click's, without NaN."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


data_dir_option: Final = click.option(
    "--data-dir",
    required=True,
    envvar="RINGBUF_DATA_DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of the writer; else RINGBUF_DATA_DIR.",
)
timeout_option: Final = click.option(
    "--timeout",
    type=Amount(0, MOST_SECONDS, min_open=True),
    default=ANSWER_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the database to answer.",
)
