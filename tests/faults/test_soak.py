"""The soak's judge: it finds what is lost, doubled, changed or invented, and nothing else."""

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.strategies import Recorder
from tests.recorded import wait_rows
from tests.soak.comparison import Comparison, compare, differing_views
from tests.soak.strategy import fill
from tests.soak.truth import Truth, TruthLog
from tests.writer_process import WriterProcess

FIXED = {"exchange": "deribit", "account": "A-1", "symbol": "BTC-PERPETUAL", "strategy": "mm"}


class Scene:
    """One ring of 20 records, of which two did not return, stored in the database."""

    def __init__(self, client: Client, database: str, log: Path) -> None:
        self.client = client
        self.table = f"{database}.executions"
        self.database = database
        self._log = log
        self._ring = Recorder.open("mm")
        self._record(8)
        self._record(1, returns=False)
        TruthLog(log).begin({**fill("mm", 99, 0), **FIXED})  # died before the append
        self._record(10)
        self._record(1, returns=False)

    def compare(self) -> Comparison:
        """What the judge finds."""
        truth = Truth.read(self._log)
        return compare(self.client, self.database, {"mm": truth}, {"mm": self._ring.producer.head})

    def tamper(self, statement: str) -> None:
        """Change the table."""
        self.client.command(statement.format(table=self.table), settings={"mutations_sync": 2})

    def _record(self, count: int, *, returns: bool = True) -> None:
        log = TruthLog(self._log)
        log.note_session(self._ring.producer.session)
        bound = self._ring.bind(**FIXED)
        for _ in range(count):
            values = fill("mm", log.begun, 0)
            log.begin({**values, **FIXED})
            seq = bound.fill(**values)
            if returns:
                log.end(seq)


@pytest.fixture
def scene(clickhouse_server: ClickHouse, database: str, data_dir: Path, tmp_path: Path) -> Scene:
    with clickhouse_server.client() as client:
        scene = Scene(client, database, tmp_path / "truth")
        with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
            wait_rows(clickhouse_server, database, 20)
            writer.stop()
        return scene


def test_the_judge_of_the_soak_finds_what_was_done_to_the_database_and_nothing_else(scene: Scene) -> None:
    assert scene.compare() == Comparison(records=20)
    assert differing_views(scene.client, scene.database) == []
    steps = {
        "INSERT INTO {table} SELECT * FROM {table} WHERE seq = 3": Comparison(records=20, raw_doubled=1),
        "ALTER TABLE {table} DELETE WHERE seq = 3": Comparison(records=19, lost=1),
        "ALTER TABLE {table} DELETE WHERE seq >= 18": Comparison(records=17, lost=3),
        "ALTER TABLE {table} DELETE WHERE seq = 8": Comparison(records=16, lost=4),
        "ALTER TABLE {table} UPDATE price = price + 1 WHERE seq = 5": Comparison(records=16, lost=4, different=1),
    }
    for statement, expected in steps.items():
        scene.tamper(statement)
        found = scene.compare()
        found.notes.clear()
        assert found == expected, statement
    assert differing_views(scene.client, scene.database) == ["fills", "orders", "positions"]
    scene.tamper("INSERT INTO {table} SELECT * REPLACE (seq + 100 AS seq) FROM {table} AS old WHERE old.seq = 6")
    assert scene.compare().invented
    scene.tamper("ALTER TABLE {table} DELETE WHERE seq > 100")
    assert not scene.compare().invented
    scene.tamper("INSERT INTO {table} SELECT * REPLACE (1 AS session) FROM {table} AS old WHERE old.seq = 6")
    assert scene.compare().invented == 1
