"""Whatever bytes a record has, the loader takes it and every query still works."""

import random
from pathlib import Path

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client

from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.record.execution import EXECUTION
from ringbuf.record.schema import Schema
from ringbuf.ring.producer import Producer
from tests.recorded import Recorded, check_stored
from tests.writer_process import WriterProcess

IDENTITY = ("session", "seq")
EXTREMES = [b"\xff", b"\x00", b"\x80", b"\x7f", b"\xfe", b"\xc3", b"\n", b"'", b"\\", b"`", b"\xed\xa0\x80"]
VIEWS = ("executions", "fills", "orders", "positions", "sessions")
ANYTHING = Schema.define(
    "anything",
    [
        *((f"{kind}{size}", f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)),
        ("f4", "f4"),
        ("f8", "f8"),
        ("at_ns", "i8"),
        ("flag", "?"),
        ("short", "S3"),
        ("long", "S300"),
        ("raw", "V7"),
    ],
)


def poison(schema: Schema, count: int, seed: int) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    """Records of random bytes, of one byte throughout, and of extreme numbers."""
    draw = random.Random(seed)
    size = schema.record_size
    rows = [draw.randbytes(size) for _ in range(count)]
    rows += [(each * size)[:size] for each in EXTREMES]
    records = np.frombuffer(bytearray(b"".join(rows)), schema.dtype)
    for name in schema.names:
        kind = schema.dtype[name].kind
        if kind == "f":
            extremes = [np.nan, np.inf, -np.inf, -0.0, 5e-324, np.finfo(schema.dtype[name]).max]
        elif kind in "iu":
            extremes = [np.iinfo(schema.dtype[name]).min, np.iinfo(schema.dtype[name]).max, 0, 1]
        else:
            continue
        chosen = draw.choices(range(count), k=len(extremes))
        for index, value in zip(chosen, extremes, strict=True):
            records[name][index] = value
    return records


@pytest.mark.parametrize("schema", [EXECUTION, ANYTHING], ids=["executions", "user's own"])
def test_no_bytes_of_a_record_stop_the_loader_or_a_query(
    schema: Schema, clickhouse_server: ClickHouse, database: str, data_dir: Path
) -> None:
    records = poison(schema, 2_000, seed=1)
    good = Recorded("good")
    with Producer.open("poison", schema) as producer:
        with WriterProcess(data_dir, "--clickhouse", clickhouse_server.url, "--database", database) as writer:
            writer.wait_running()
            for record in records[: len(EXTREMES) * 2]:  # one by one, and then in bulk
                assert producer.append(record) >= 0
            assert producer.extend(records[len(EXTREMES) * 2 :]) > 0
            good.record(10)
            writer.stop()
        assert producer.dropped == producer.lag == 0
        assert writer.status()["quarantined"] == 0
        with clickhouse_server.client() as client:
            client.database = database
            check_numbers(client, schema, producer.session, records)
            check_queries(client, schema)
            client.command(f"DELETE FROM {schema.name} WHERE session = {producer.session}")
            check_stored(client, database, good)


def check_numbers(
    client: Client, schema: Schema, session: int, records: "np.ndarray[tuple[int], np.dtype[np.void]]"
) -> None:
    """All are there, and every number has the bits it was recorded with."""
    for name in schema.names:
        dtype = schema.dtype[name]
        if name in (*IDENTITY, "captured_ns") or name in schema.words or dtype.kind not in "iuf":
            continue
        column = f"toUnixTimestamp64Nano({name})" if schema.is_time(name) else name
        query = f"SELECT {column} FROM {schema.name} FINAL WHERE session = {session} ORDER BY seq"
        stored = client.raw_query(query, fmt="RowBinary")
        assert stored == np.ascontiguousarray(records[name]).tobytes(), name


def check_queries(client: Client, schema: Schema) -> None:
    """Tables and views can be read whole, in text too, sorted, grouped and computed with."""
    for view in (*VIEWS, schema.name):
        columns = [row[0] for row in client.query(f"DESCRIBE TABLE {view}").result_rows if row[2] != "EPHEMERAL"]
        client.raw_query(f"SELECT * FROM {view}", fmt="JSONEachRow")
        client.raw_query(f"SELECT {', '.join(f'max({each}), max(toString({each}))' for each in columns)} FROM {view}")
    for column in (name for name in schema.names if name not in IDENTITY):
        client.raw_query(f"SELECT {column}, count() AS n FROM {schema.name} FINAL GROUP BY {column} ORDER BY {column}")
    for expression in (
        "price * quantity",
        "upper(text)",
        "toDate(exchange_ns)",
        "toStartOfMinute(received_ns)",
        "formatDateTime(exchange_ns, '%F %T')",
        "toUnixTimestamp64Nano(exchange_ns) - toUnixTimestamp64Nano(captured_ns)",
    ):
        client.raw_query(f"SELECT max({expression}) FROM executions FINAL")
