"""Where the tables of a database are: in one place, or on the shards of a cluster.

In one place, which is a server or an embedded database, there is nothing to say: a statement names the table.

On a cluster the tables themselves are in the database `NAME_local` of each shard, and the database `NAME` has
`Distributed` tables over them, under the same names. So statements that insert and ask are the same in both layouts. A
statement that defines a table, empties it or deletes from it names the table itself, and is run on the whole cluster.

    `executions`, tables of orders, fills and what follows from them    by instrument: exchange, account, symbol
    `sessions`, `derived`, `dropped`, `retired`, of other schemas       by session
    `buckets`, and the rows that say that a table is whole              at every shard

What is derived of an instrument follows from the records of that instrument, so all of it is at one shard.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from ringbuf.errors import InvalidName, SinkUnavailable
from ringbuf.sinks.clickhouse import merging
from ringbuf.sinks.clickhouse.definition import Definition
from ringbuf.sinks.clickhouse.table import DISTRIBUTED, check_database, literal, quoted

TOKEN_SECONDS: Final = 30 * 86_400
"""How long replicas remember deduplication tokens: longer than any outage that a journal is to bridge."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_ENGINE: Final = re.compile(r"(\w+)(?:\((.*)\))?")
NOW: Final = "toInt64(toUnixTimestamp64Nano(now64(9)))"
"""The server's time, ns since the epoch."""


class Cluster(NamedTuple):
    """A cluster of servers, as `remote_servers` in their configuration has it.

    Attributes:
        name: its name there.
        shards: the URLs of its servers, one for each shard, if it has no Keeper: then tables are not replicated, and
            what defines a table is run at each of these servers. Without them tables are replicated.
    """

    name: str
    shards: tuple[str, ...] = ()

    def count_shards(self, look: Callable[[str, str], list[list[str]]]) -> int:
        """How many shards it has.

        Args:
            look: asks a server; given what for, as an error says it.

        Raises:
            SinkUnavailable: the server cannot be asked, knows no such cluster, or another one than was described.
        """
        asked = f"SELECT uniqExact(shard_num), count() FROM system.clusters WHERE cluster = {literal(self.name)}"
        ((shards, servers),) = look(asked, "looking for the cluster")
        if shards == "0":
            raise SinkUnavailable(
                f"the server knows no cluster {self.name}", "its system.clusters has those it knows; name one of them"
            )
        if self.shards and not int(shards) == int(servers) == len(self.shards):
            raise SinkUnavailable(
                f"cluster {self.name} has {shards} shards and {servers} servers; URLs of {len(self.shards)} were given",
                "give the URL of each server with --shard, or none if the tables are to be replicated",
            )
        return int(shards)


class Layout(NamedTuple):
    """Where the tables of one database are.

    Attributes:
        database: whose tables statements name that insert and ask.
        cluster: None if there is none.
    """

    database: str
    cluster: Cluster | None = None

    @property
    def local(self) -> str:
        """The database that has the tables themselves."""
        return self.database if self.cluster is None else f"{self.database}_local"

    @property
    def on(self) -> str:
        """What stands behind the name in a statement that is run on the whole cluster."""
        return f" ON CLUSTER {quoted(self.cluster.name)}" if self.cluster and not self.cluster.shards else ""

    @property
    def now(self) -> str:
        """The time in ns since the epoch, as an expression: of a cluster the latest that a shard's clock shows.

        Writers that are connected to different servers have the same time, so versions of the one and the other can be
        compared.
        """
        if self.cluster is None:
            return NOW
        clock = "max(toUnixTimestamp64Nano(nowInBlock64(9)))"  # `now64` would be that of the server that is asked
        return f"toInt64(assumeNotNull((SELECT {clock} FROM {self.everywhere('system.one')})))"

    @property
    def shard(self) -> str:
        """The number of the shard that has a row of a table, as an expression."""
        return "1" if self.cluster is None else "_shard_num"

    @property
    def databases(self) -> tuple[str, ...]:
        """The names of all that belong to it; on a cluster two."""
        return (self.database,) if self.cluster is None else (self.local, self.database)

    def check(self) -> None:
        """Make sure that its databases can be called so.

        Raises:
            InvalidName: they cannot. On a cluster the name is a part of a path in Keeper, too.
        """
        for each in self.databases:
            check_database(each)
        if self.cluster is not None and not _NAME.fullmatch(self.database):
            raise InvalidName(f"{self.database!r} cannot be a database on a cluster", "use letters, digits, _ . and -")

    def everywhere(self, name: str) -> str:
        """What stands behind FROM to ask a table of the server itself, as `system.tables`, at each shard."""
        return name if self.cluster is None else f"cluster({literal(self.cluster.name)}, {name})"

    def itself(self, name: str) -> str:
        """The table itself, behind the verb of a statement that changes or empties it."""
        return f"{quoted(self.local)}.{quoted(name)}{self.on}"

    def create_database(self) -> list[str]:
        """Statements that create the database."""
        return [f"CREATE DATABASE IF NOT EXISTS {quoted(name)}{self.on}" for name in self.databases]

    def create(self, name: str, definition: Definition) -> str:
        """Statement that creates a table itself."""
        listed = ",\n    ".join(definition.columns)
        partition = f" PARTITION BY {definition.partition}" if definition.partition else ""
        settings = ", ".join(f"{key} = {value}" for key, value in self._settings(definition).items())
        engine = self._engine(name, definition)
        key = f"({definition.key})" if "," in definition.key else definition.key  # as `system.tables` shows it
        return (
            f"CREATE TABLE IF NOT EXISTS {self.itself(name)} (\n    {listed}\n) ENGINE = {engine}"
            f"{partition} ORDER BY {key} SETTINGS {settings}"
        )

    def distribute(self, name: str, definition: Definition) -> str:
        """Statement that makes the `Distributed` table of a cluster over one that was created or altered."""
        assert self.cluster is not None
        arguments = [literal(each) for each in (self.cluster.name, self.local, name)]
        if definition.shard_by:
            arguments.append(f"sipHash64({', '.join(map(quoted, definition.shard_by))})")
        return (
            f"CREATE OR REPLACE TABLE {quoted(self.database)}.{quoted(name)}{self.on}"
            f" AS {quoted(self.local)}.{quoted(name)} ENGINE = {DISTRIBUTED}({', '.join(arguments)})"
        )

    def _engine(self, name: str, definition: Definition) -> str:
        if not self.on:
            return definition.engine
        found = _ENGINE.fullmatch(definition.engine)
        assert found is not None
        path = f"/clickhouse/tables/{{shard}}/{self.database}/{name}"
        arguments = [literal(path), "'{replica}'", *filter(None, [found[2]])]
        return f"Replicated{found[1]}({', '.join(arguments)})"

    def _settings(self, definition: Definition) -> dict[str, int]:
        settings = {"non_replicated_deduplication_window": definition.tokens}
        if self.on:
            settings = {"replicated_deduplication_window": definition.tokens}
            if definition.tokens:
                settings["replicated_deduplication_window_seconds"] = TOKEN_SECONDS
        if definition.granularity is not None:
            settings["index_granularity"] = definition.granularity
        return settings | merging.SETTINGS
