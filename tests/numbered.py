"""Records of schemas of a test's own, whose tables it spoils and mends, and what a writer says of them."""

import time
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from ringbuf import Producer, Schema
from ringbuf.launch.waiting import wait_until
from tests.writer_process import WriterProcess


class Numbered:
    """A ring of a schema of its own, whose records hold their seq once more, and the table they go to."""

    def __init__(self, name: str, client: Client, database: str) -> None:
        schema = Schema.define(name, [("number", "u8"), ("padding", "S200")])
        self.name = name
        self.table = f"{database}.{name}"
        self.count = 0
        self.producer = Producer.open(f"ring-{name}", schema, capacity=32_768)
        self._client = client

    def record(self, count: int) -> None:
        for _ in range(count):
            assert self.producer.append(number=self.count) == self.count
            self.count += 1

    def spoil(self) -> None:
        """Alter its table so that none of its records fits."""
        self._client.command(f"ALTER TABLE {self.table} MODIFY COLUMN number UInt32")

    def mend(self) -> None:
        self._client.command(f"ALTER TABLE {self.table} MODIFY COLUMN number UInt64")

    def is_stored(self) -> bool:
        try:
            return bool(self._client.query(f"SELECT count() FROM {self.table}").result_rows == [(self.count,)])
        except DatabaseError:
            return False  # there is no such table yet

    def wait_stored(self) -> None:
        wait_until(self.is_stored, f"all {self.name} are stored")

    def check(self) -> None:
        """Every record is in the database, once."""
        rows = self._client.query(f"SELECT seq, number FROM {self.table} ORDER BY seq").result_rows
        assert rows == [(seq, seq) for seq in range(self.count)]


def stragglers(writer: WriterProcess) -> dict[str, dict[str, Any]]:
    """Those that the status names, by schema."""
    return {each["schema"]: each for each in writer.status().get("stragglers", ())}


def wait_behind(writer: WriterProcess, *schemas: str) -> None:
    writer.wait_until(lambda: {*schemas} <= stragglers(writer).keys(), f"say that {schemas} are behind")


def is_all_verified(writer: WriterProcess, captured: int) -> bool:
    """Whether the database is known to have all records, of which there are so many."""
    status = writer.status()
    return bool(status["captured"] == captured and status["journal"]["checkpoint"] == status["journal"]["durable"])


def wait_verified(writer: WriterProcess, *producers: Producer) -> None:
    """Wait until the writer has asked the database for all that was recorded until now."""
    wait_until(lambda: all(each.lag == 0 for each in producers), "the rings are drained")
    now_ns = time.time_ns()

    def is_verified() -> bool:
        status = writer.status()
        is_reached = status["journal"]["checkpoint"] == status["journal"]["durable"] and not stragglers(writer)
        return is_reached and int(status["updated_ns"]) > now_ns

    writer.wait_until(is_verified, "verify all")


def wait_derived(writer: WriterProcess, *producers: Producer) -> None:
    """Wait until all that was recorded until now is in the answers, too."""
    wait_verified(writer, *producers)
    writer.wait_until(lambda: not writer.status()["derivation"]["behind"], "derive all")


def wait_caught_up(writer: WriterProcess) -> None:
    writer.wait_until(lambda: writer.status().get("stragglers") == [], "say that nothing is behind")
