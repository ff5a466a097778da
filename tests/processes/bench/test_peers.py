"""What the benchmarks compare with, each with its real package and server: an honest run passes its check."""

from contextlib import closing

import pytest

from ringbuf.bench.contender import Contender, Services
from ringbuf.bench.producer_process import ProducerProcess
from ringbuf.bench.queue_contenders import FasterFifo, Iceoryx, PosixQueue, Zmq
from ringbuf.bench.store_contenders import ClickHouseRow, QuestDb, Redis, Sqlite
from ringbuf.bench.workspace import workspace
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.redis_server import NO_SERVER as NO_REDIS
from ringbuf.launch.redis_server import redis_server

NOT_NEEDED = "not needed"


def run(kind: type[Contender], clickhouse: str | None = None) -> None:
    """A burst and a few paced calls in a producer's process, whose consumer is checked after each."""
    with workspace() as work, redis_server(work.new_directory("redis")) as redis:
        services = Services(clickhouse, NOT_NEEDED, redis, NO_REDIS)
        with closing(ProducerProcess([kind], work, services, pure=False)) as producer:
            if producer.absent:
                pytest.skip(f"{kind.name}: {producer.absent[kind.name]}")
            assert len(producer.measure(kind.name, 30, 0).samples) == 30
            assert len(producer.measure(kind.name, 5, 1_000_000).samples) == 5


@pytest.mark.parametrize("kind", [Zmq, FasterFifo, Iceoryx, PosixQueue, Sqlite, QuestDb], ids=lambda kind: kind.name)
def test_an_honest_run_of_a_peer_passes_its_check(kind: type[Contender]) -> None:
    run(kind)


def test_an_honest_run_of_redis_passes_its_check() -> None:
    run(Redis)


def test_an_honest_run_of_one_row_inserts_passes_its_check(clickhouse_server: ClickHouse) -> None:
    run(ClickHouseRow, clickhouse_server.url)
