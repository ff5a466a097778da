"""What a table is, wherever its parts are: on one server, or on the shards of a cluster (`layout.py`)."""

from collections.abc import Sequence
from typing import NamedTuple

BY_INSTRUMENT: tuple[str, ...] = ("exchange", "account", "symbol")
BY_SESSION: tuple[str, ...] = ("session",)


class Definition(NamedTuple):
    """A table.

    Attributes:
        columns: its columns and skip indexes, each as the server writes it.
        engine: with its arguments.
        key: what it is sorted by.
        shard_by: the columns that tell at which shard of a cluster a row is; of a table without them each row is at
            every shard. Rows of one key are at one shard, since FINAL merges them there.
        tokens: inserts whose deduplication tokens are remembered.
        partition: the expression that tells partitions apart, if there are any.
        granularity: so many rows are read at once at least; None for the server's own number.
    """

    columns: Sequence[str]
    engine: str
    key: str
    shard_by: Sequence[str]
    tokens: int
    partition: str = ""
    granularity: int | None = None
