"""A real ClickHouse server with users to test with.

Besides `default`, which has an empty password, it has the users `WRITER` and `READER` (read-only), both with
`PASSWORD`.
"""

from typing import Final

from ringbuf.launch import clickhouse_server
from ringbuf.launch.clickhouse_server import LIBRARY_VARIABLE

NO_ENGINE: Final = (
    f"no ClickHouse server: set {LIBRARY_VARIABLE} to the path of a libchdb.so, "
    "or put `clickhouse` on the PATH, or let `make test` fetch the library, which needs npm"
)
WRITER: Final = "writer"
READER: Final = "reader"
PASSWORD: Final = "correct horse"


class ClickHouseServer(clickhouse_server.ClickHouseServer):
    """A server that tests start, kill and start again."""

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
