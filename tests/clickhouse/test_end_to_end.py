"""From a strategy's call to a row in the database, on a server and embedded."""

import pickle
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

from clickhouse_connect.driver.client import Client

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from tests.recorded import Recorded, check_stored, position, recording
from tests.writer_process import WriterProcess


def test_what_is_recorded_is_on_the_server_column_by_column(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    rings = [Recorded(f"mm-{number}") for number in range(4)]
    rings[0].record(500)  # before the writer runs
    with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
        writer.wait_running()
        for _ in range(10):
            for ring in rings:
                ring.record(100)
        total = sum(len(ring.expected) for ring in rings)
        with clickhouse_server.client() as client:
            count = f"SELECT count() FROM {database}.executions FINAL"
            wait_until(lambda: client.query(count).result_rows == [(total,)], "all records are stored")
            check_stored(client, database, *rings)
        late = Recorded("late")  # a ring that appears while the writer runs, and is read at its end
        late.record(10)
        writer.stop()
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings, late)
        check_positions(client, database, *rings, late)
        check_sessions(client, database, *rings, late)


def test_what_is_recorded_is_in_the_embedded_database_column_by_column(data_dir: Path) -> None:
    ring = Recorded("mm")
    ring.record(300)
    with WriterProcess(data_dir) as writer:
        writer.wait_running()
        ring.record(300)
        writer.stop()
    read_embedded(data_dir, "check", ring)


def test_a_writer_killed_at_random_moments_loses_and_doubles_nothing(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    rings = [Recorded(f"mm-{number}") for number in range(3)]
    with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
        with recording(*rings):
            for number in range(5):
                writer.wait_running()
                time.sleep(0.05 * number)
                writer.kill()
                writer.start()
            writer.wait_running()
        writer.stop()
    assert not any(ring.full for ring in rings)
    with clickhouse_server.client() as client:
        check_stored(client, database, *rings)


def test_an_order_and_its_inventory_are_one_row_so_no_query_sees_one_without_the_other(
    clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    """The double buy: a reader polls while fills come in; position and open quantity always add up to the target."""
    ring = Recorded("buyer", capacity=1024)
    bound = ring.recorder.bind(exchange="x", account="a", symbol="s", strategy="buyer")
    seen = []
    query = f"""
        SELECT sum(if(exec_type = 'fill', toDecimal64OrZero(toString(last_quantity), 3), 0)),
               argMax(toDecimal64OrZero(toString(leaves_quantity), 3), seq)
        FROM {database}.executions FINAL"""
    target = ["--clickhouse", clickhouse_server.url, "--database", database]
    with WriterProcess(data_dir, *target, "--flush-ms", "5") as writer:
        writer.wait_running()
        bound.order(exec_type="new", order_status="new", side="buy", quantity=50.0, leaves_quantity=50.0, order_id="1")
        with clickhouse_server.client() as client:
            for filled in range(1, 51):
                bound.fill(
                    order_status="filled" if filled == 50 else "partially_filled",
                    side="buy",
                    last_price=1.0,
                    last_quantity=1.0,
                    cumulative_quantity=float(filled),
                    leaves_quantity=float(50 - filled),
                    order_id="1",
                    trade_id=str(filled),
                )
                seen.append(client.query(query).result_rows[0])
        writer.stop()
    assert {have + working for have, working in seen if have or working} == {Decimal(50)}


def check_positions(client: Client, database: str, *rings: Recorded) -> None:
    rows = client.query(f"SELECT strategy, sum(quantity) FROM {database}.positions GROUP BY strategy").result_rows
    assert {row[0]: row[1] for row in rows} == {ring.ring: position(ring) for ring in rings}


def check_sessions(client: Client, database: str, *rings: Recorded) -> None:
    rows = client.query(f"SELECT session, ring FROM {database}.sessions FINAL").result_rows
    assert {row[0]: row[1] for row in rows} == {ring.session: ring.ring for ring in rings}


def read_embedded(data_dir: Path, check: str, ring: Recorded) -> None:
    """Compare in a process of its own: a process can open an embedded database only once."""
    program = f"""
import clickhouse_connect, pickle, sys
from tests.recorded import Recorded, check_stored
ring = Recorded.__new__(Recorded)
ring.__dict__.update(pickle.load(sys.stdin.buffer))
client = clickhouse_connect.get_client(interface="chdb", path={str(data_dir / "clickhouse")!r})
check_stored(client, "ringbuf", ring)
client.close()
"""
    state = {"ring": ring.ring, "session": ring.session, "expected": ring.expected}
    subprocess.run([sys.executable, "-c", program], input=pickle.dumps(state), check=True)
