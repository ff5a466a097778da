"""A real ClickHouse server for tests: the user's own, or one that tests start, kill and start again.

Besides `default`, which has an empty password, a server started here has the users `WRITER` and `READER` (read-only),
both with `PASSWORD`.
"""

from typing import Final

from ringbuf.bench import clickhouse_server
from ringbuf.bench.clickhouse_server import LIBRARY_VARIABLE, URL_VARIABLE, ClickHouse, find_engine, free_port

__all__ = [
    "NO_ENGINE",
    "PASSWORD",
    "READER",
    "URL_VARIABLE",
    "WRITER",
    "ClickHouse",
    "ClickHouseServer",
    "find_engine",
    "free_port",
]

NO_ENGINE: Final = (
    f"no ClickHouse server: set {LIBRARY_VARIABLE} to the path of a libchdb.so, "
    "or put `clickhouse` on the PATH, or run .ci/run once, which fetches the library"
)
WRITER: Final = "writer"
READER: Final = "reader"
PASSWORD: Final = "correct horse"


class ClickHouseServer(clickhouse_server.ClickHouseServer):
    """The server of the benchmarks, with users to test with."""

    users = f"""
<clickhouse>
    <profiles><default/><readonly><readonly>1</readonly></readonly></profiles>
    <quotas><default/></quotas>
    <users>
        <default><password/><networks><ip>127.0.0.1</ip></networks></default>
        <{WRITER}><password>{PASSWORD}</password><networks><ip>127.0.0.1</ip></networks></{WRITER}>
        <{READER}>
            <password>{PASSWORD}</password><networks><ip>127.0.0.1</ip></networks><profile>readonly</profile>
        </{READER}>
    </users>
</clickhouse>
"""
