"""Options that several subcommands have."""

from pathlib import Path
from typing import Final

import click

from ringbuf.query.database import ANSWER_SECONDS

data_dir_option: Final = click.option(
    "--data-dir",
    required=True,
    envvar="RINGBUF_DATA_DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of the writer; else RINGBUF_DATA_DIR.",
)
timeout_option: Final = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=ANSWER_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the database to answer.",
)
