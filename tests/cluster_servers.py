"""A cluster to test with: two real servers, each of which is a shard, without a Keeper."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ringbuf.launch.port import free_port
from ringbuf.sinks.clickhouse.engine import Server
from ringbuf.sinks.clickhouse.layout import Cluster
from tests.clickhouse_server import ClickHouseServer
from tests.relay import Relay

NAME: Final = "desk"
OWN_CLUSTER_VARIABLE: Final = "RINGBUF_TEST_CLUSTER"
"""`URL#NAME` of a cluster of the user's own, with Keeper; `tests/clickhouse/test_own_cluster.py` runs on it."""


class ClusterServers:
    """Two servers that know each other as the shards of the cluster `NAME`.

    Attributes:
        shards: the servers.
        addresses: where they know each other.
        cluster: what the writer is told.
    """

    def __init__(self, engine: str, make_directory: Callable[[], Path]) -> None:
        ports = [free_port() for _ in range(2)]
        self._relays = [Relay(port) for port in ports]
        self.addresses = [f"127.0.0.1:{relay.port}" for relay in self._relays]
        listed = "".join(
            "<shard><internal_replication>true</internal_replication>"
            f"<replica><host>127.0.0.1</host><port>{relay.port}</port></replica></shard>"
            for relay in self._relays
        )
        servers = f"<remote_servers><{NAME}>{listed}</{NAME}></remote_servers>"
        self.shards = [
            ClickHouseServer(
                engine,
                make_directory(),
                settings=f"<tcp_port>{port}</tcp_port>{servers}"
                f"<macros><shard>{number}</shard><replica>1</replica></macros>",
            )
            for number, port in enumerate(ports, 1)
        ]
        self.cluster = Cluster(NAME, tuple(each.url for each in self.shards))

    @property
    def server(self) -> Server:
        """The cluster as a sink takes it."""
        return Server(self.shards[0].url, cluster=self.cluster)

    def start(self) -> None:
        """Start the servers that do not run."""
        for each in self.shards:
            each.start()

    def end(self) -> None:
        """End them."""
        for server, relay in zip(self.shards, self._relays, strict=True):
            server.kill()
            relay.close()
