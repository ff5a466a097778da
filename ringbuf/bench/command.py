"""`ringbuf bench`: the group of the benchmarks."""

import click

from ringbuf.bench.append import append
from ringbuf.bench.drain import drain
from ringbuf.bench.experiment import experiment
from ringbuf.bench.latency import latency
from ringbuf.bench.query import query
from ringbuf.bench.scale import scale
from ringbuf.bench.strategy import strategy


@click.group()
def bench() -> None:
    """Measure what capture costs, beside its floor and its alternatives.

    What is not installed is reported as absent; the extra `bench` has the packages that are compared with. The
    ClickHouse server is the one of --clickhouse or RINGBUF_TEST_CLICKHOUSE_URL, else one that is started from the
    program `clickhouse` or the libchdb.so in RINGBUF_TEST_LIBCHDB, with its data in /dev/shm if there is room, and
    removed afterwards. On a busy machine only the ratios within one run mean anything.
    """


bench.add_command(append)
bench.add_command(drain)
bench.add_command(experiment)
bench.add_command(latency)
bench.add_command(query)
bench.add_command(scale)
bench.add_command(strategy)
