"""What the strategies know to have recorded, compared with what the database has."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client

from ringbuf.sinks.clickhouse.views.definitions import RECKONED
from ringbuf.sinks.clickhouse.views.orders import ORDERS
from ringbuf.sinks.clickhouse.views.positions import FILLS
from tests.kept_profit import compare_through
from tests.recorded import COMPARED
from tests.soak.truth import Truth, digest

_ROWS_PER_QUERY = 50_000


@dataclass
class Comparison:
    """Counts over all rings; all but `records` and `dropped` must be 0.

    Attributes:
        records: in the database and compared value by value.
        dropped: appends that found the ring full, as the strategies were told.
        lost: accepted, and not in the database.
        invented: in the database, and never in a ring.
        different: in the database, and not what was recorded with that seq.
        doubled: copies of a record that a reader with FINAL sees.
        raw_doubled: copies of a record that only a reader without FINAL sees.
    """

    records: int = 0
    dropped: int = 0
    lost: int = 0
    invented: int = 0
    different: int = 0
    doubled: int = 0
    raw_doubled: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether the database has what was recorded, each record once, in order, and nothing else."""
        return not (self.lost or self.invented or self.different or self.doubled or self.raw_doubled)


def compare(client: Client, database: str, truths: dict[str, Truth], heads: dict[str, int]) -> Comparison:
    """Compare all rings; `heads` are the seqs behind their last records."""
    found = Comparison()
    for ring, truth in truths.items():
        _compare_ring(client, database, ring, truth, heads[ring], found)
    table = f"`{database}`.executions"
    raw, final, distinct = (
        int(client.query(query).result_rows[0][0])
        for query in (
            f"SELECT count() FROM {table}",
            f"SELECT count() FROM {table} FINAL",
            f"SELECT uniqExact(session, seq) FROM {table}",
        )
    )
    found.doubled = final - distinct
    found.raw_doubled = raw - final
    sessions = ", ".join(str(truth.session) for truth in truths.values())
    found.invented += int(
        client.query(f"SELECT count() FROM {table} FINAL WHERE session NOT IN ({sessions})").result_rows[0][0]
    )
    return found


def differing_views(client: Client, database: str) -> list[str]:
    """Which of the views do not have what the records come to, which the slow views reckon from the records alone."""
    named = {name: f"`{database}`.{name}" for name in ("fills", "orders", "positions")}
    found = []
    for view, columns in (("fills", FILLS), ("orders", ORDERS)):
        shown = ", ".join(f"toString({name})" for name in columns)
        rows = f"SELECT count(), groupBitXor(cityHash64({shown})) FROM "
        if (
            client.query(rows + named[view]).result_rows
            != client.query(f"{rows}`{database}`.{RECKONED[view]}").result_rows
        ):
            found.append(view)
    sums = "sumIf(traded_quantity, side = 'buy'), sumIf(traded_quantity, side = 'sell'), count()"
    reckoned = f"SELECT strategy, {sums} FROM `{database}`.{RECKONED['fills']} GROUP BY strategy ORDER BY strategy"
    kept = "sum(bought_quantity), sum(sold_quantity), toUInt64(sum(fills))"
    stored = f"SELECT strategy, {kept} FROM {named['positions']} GROUP BY strategy ORDER BY strategy"
    if client.query(reckoned).result_rows != client.query(stored).result_rows:
        found.append("positions")
    try:
        compare_through(client, database)
    except AssertionError as error:
        found.append(f"profit_by_day, or profit: {error}")
    return found


def _compare_ring(client: Client, database: str, ring: str, truth: Truth, head: int, found: Comparison) -> None:
    found.dropped += truth.full
    left = {seq: list(digests) for seq, digests in truth.doubtful.items()}
    following = 0
    gap = 0  # where the appends stand that may, or may not, have taken place
    for seq, content in _stored(client, database, truth.session):
        _note_missing(ring, following, seq, found)
        following = seq + 1
        if seq in truth.accepted:
            gap = seq + 1
            is_right = truth.accepted[seq] == content
        else:
            candidates = left.get(gap, [])
            is_right = content in candidates
            if is_right:
                del candidates[: candidates.index(content) + 1]
        found.records += 1
        if not is_right:
            found.different += 1
            found.notes.append(f"{ring}: record {seq} is not what was recorded there")
    _note_missing(ring, following, max([head, *(seq + 1 for seq in truth.accepted)]), found)
    if following > head:
        found.invented += following - head
        found.notes.append(f"{ring}: records {head} to {following - 1} are beyond the ring's head")


def _note_missing(ring: str, begin: int, end: int, found: Comparison) -> None:
    if end > begin:
        found.lost += end - begin
        found.notes.append(f"{ring}: records {begin} to {end - 1} are not in the database")


def _stored(client: Client, database: str, session: int) -> Iterator[tuple[int, bytes]]:
    """Seq and digest of every record of a session, in order."""
    columns = ", ".join(f"toUnixTimestamp64Nano({name})" if name.endswith("_ns") else name for name in COMPARED)
    seq = -1
    while True:
        rows = client.query(
            f"SELECT seq, {columns} FROM `{database}`.executions FINAL WHERE session = {session}"
            + (f" AND seq > {seq}" if seq >= 0 else "")
            + f" ORDER BY seq LIMIT {_ROWS_PER_QUERY}"
        ).result_rows
        if not rows:
            return
        for row in rows:
            yield row[0], digest(row[1:])
        seq = rows[-1][0]
