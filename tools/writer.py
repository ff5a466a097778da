"""`ringbuf writer`: store what the rings hold."""

import logging
import os
from pathlib import Path

import click

from ringbuf.errors import JournalLost
from ringbuf.ring import registry
from ringbuf.tools.options import Amount


def seconds_or_never(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """A number of seconds; `never` and 0 are None."""
    return None if value == "never" else Amount(0).convert(value, param, ctx) or None


@click.command()
@click.option(
    "--data-dir",
    required=True,
    envvar=["RINGBUF_WRITER_DATA_DIR", "RINGBUF_DATA_DIR"],
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the journal, the loader's state and the embedded database, one writer per directory; else"
    " RINGBUF_DATA_DIR.",
)
@click.option(
    "--clickhouse", metavar="URL", help="ClickHouse server, http[s]://[USER@]HOST[:PORT][/PATH]. Default: embedded."
)
@click.option(
    "--cluster",
    metavar="NAME",
    help="Cluster of that server to spread the tables over, replicated at each shard: a name in its remote_servers.",
)
@click.option(
    "--shard",
    "shards",
    metavar="URL",
    multiple=True,
    help="For a cluster without Keeper, whose tables are not replicated: its servers, this option once for each shard.",
)
@click.option("--database", default="ringbuf", show_default=True, help="Database to create the tables in.")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds the password. Default: the variable RINGBUF_CLICKHOUSE_PASSWORD.",
)
@click.option("--ca-file", type=click.Path(dir_okay=False, path_type=Path), help="Own certificate authority for https.")
@click.option("--namespace", help="Namespace of the rings. Default: RINGBUF_NAMESPACE, else `default`.")
@click.option(
    "--sync-ms", default=10.0, show_default=True, type=Amount(0, 60_000), help="Milliseconds between two syncs."
)
@click.option(
    "--flush-ms",
    default=50.0,
    show_default=True,
    type=Amount(1, 600_000),
    help="Milliseconds between two inserts at low rates, at least; more where inserts take long.",
)
@click.option(
    "--segment-mb",
    default=64.0,
    show_default=True,
    type=Amount(0.1, 1024),
    help="Size at which the journal begins a new segment, the unit in which it is deleted.",
)
@click.option(
    "--retain-gb",
    default=1.0,
    show_default=True,
    type=Amount(0, 1_000_000),
    help="Loaded journal segments beyond this size are deleted. What is not loaded never is.",
)
@click.option(
    "--stop-timeout",
    default=10.0,
    show_default=True,
    type=Amount(0, 1_000_000),
    help="Seconds to wait for the database when stopping.",
)
@click.option(
    "--remove-dead-after",
    metavar="SECONDS|never",
    default="86400",
    show_default=True,
    callback=seconds_or_never,
    help="When to remove a ring whose process has ended and of which the database has all.",
)
@click.option(
    "--keep-days",
    metavar="DAYS",
    type=click.IntRange(1, 36_500),
    help="What is verified and older is meant to be gone, and dropped where answers stay as they are. Default: never.",
)
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus metrics on 127.0.0.1.")
@click.option("--quiet", is_flag=True, help="Log only what goes wrong.")
def writer(
    data_dir: Path,
    clickhouse: str | None,
    cluster: str | None,
    shards: tuple[str, ...],
    database: str,
    password_file: Path | None,
    ca_file: Path | None,
    namespace: str | None,
    sync_ms: float,
    flush_ms: float,
    segment_mb: float,
    retain_gb: float,
    stop_timeout: float,
    remove_dead_after: float | None,
    keep_days: int | None,
    metrics_port: int | None,
    quiet: bool,
) -> None:
    """Store the records of all rings, each exactly once.

    Finds rings as they appear, makes their records durable in a journal under --data-dir, and loads them into
    ClickHouse: a server given by --clickhouse, else an embedded one under --data-dir. SIGTERM or Ctrl-C stores what is
    there and ends; a second one ends at once, and the next start goes on where this one left off.
    """
    # Here and not above: the other commands must not pay for the database's client.
    from ringbuf.sinks.clickhouse.engine import Server
    from ringbuf.sinks.clickhouse.layout import Cluster
    from ringbuf.writer.service.service import Settings, run

    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )

    if (cluster is not None and clickhouse is None) or (shards and cluster is None):
        raise click.UsageError("--cluster needs --clickhouse, a server of that cluster; --shard needs --cluster")
    spread = None if cluster is None else Cluster(cluster, shards)
    server = (
        None if clickhouse is None else Server(clickhouse, password_file=password_file, ca_file=ca_file, cluster=spread)
    )
    settings = Settings(
        namespace=registry.resolve_namespace(namespace),
        sync_interval=sync_ms / 1000,
        flush_interval=flush_ms / 1000,
        stop_timeout=stop_timeout,
        segment_bytes=int(segment_mb * 1e6),
        retain_bytes=int(retain_gb * 1e9),
        remove_dead_after=remove_dead_after,
        keep_days=keep_days,
        metrics_port=metrics_port,
    )
    try:
        is_over, exit_code = run(data_dir, server, database, settings), 0
    except JournalLost as error:  # the embedded engine, if there is one, has lost its files
        click.echo(f"ringbuf: {error}", err=True)
        is_over, exit_code = False, 1
    if not is_over:
        logging.shutdown()
        os._exit(exit_code)
