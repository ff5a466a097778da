"""Users of a real server whose profiles set settings, or fix them, each with a database of its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringbuf.launch.clickhouse_server import ClickHouse, find_engine
from ringbuf.sinks.clickhouse.engine import Server
from tests.clickhouse.databases import Database
from tests.clickhouse_server import NO_ENGINE, ClickHouseServer


def profile(name: str, settings: Mapping[str, str], constraint: str = "<readonly/>") -> tuple[str, str]:
    """A profile with these settings, all under a constraint, and a user of the same name that has it."""
    values = "".join(f"<{each}>{value}</{each}>" for each, value in settings.items())
    fixed = "".join(f"<{each}>{constraint}</{each}>" for each in settings)
    networks = "<password/><networks><ip>127.0.0.1</ip></networks>"
    return (
        f"<p_{name}>{values}<constraints>{fixed}</constraints></p_{name}>",
        f"<{name}>{networks}<profile>p_{name}</profile></{name}>",
    )


def users_file(*added: tuple[str, str]) -> str:
    """The file of users of a server: `default`, and those of the profiles."""
    profiles, users = ("".join(part) for part in zip(*added, strict=True))
    networks = "<password/><networks><ip>127.0.0.1</ip></networks>"
    return f"""<clickhouse>
    <profiles><default/>{profiles}</profiles>
    <quotas><default/></quotas>
    <users><default>{networks}</default>{users}</users>
</clickhouse>"""


def url_of(server: ClickHouse, user: str) -> str:
    return f"http://{user}@{server.host}:{server.http_port}"


@contextmanager
def started(kind: type[ClickHouseServer], directory: Path) -> Iterator[ClickHouseServer]:
    """A server with the users of its kind."""
    server = kind(find_engine() or pytest.skip(NO_ENGINE), directory)
    server.start()
    yield server
    server.kill()


@contextmanager
def database_of(server: ClickHouse, user: str) -> Iterator[Database]:
    """The database of a user, called as the user."""
    made = Database(Server(url_of(server, user)), user)
    yield made
    made.close()
    server.command(f"DROP DATABASE IF EXISTS {user} SYNC")
