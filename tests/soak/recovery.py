"""How long it takes after each fault until everything recorded until its end is stored."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from ringbuf.launch.clickhouse_server import ClickHouse
from tests.soak.live_ring import LiveRing

INTERVAL_SECONDS: Final = 0.1

logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # it reports each of our many broken connections


class RecoveryTimes:
    """Watches the database, past the proxy, from a thread of its own.

    Attributes:
        seconds: per kind of fault, in order of recovery; from the moment the fault is over (a killed process is started
            again), and including whatever faults came meanwhile.
        stored: records seen in the database.
    """

    def __init__(self, server: ClickHouse, database: str, rings: Mapping[int, LiveRing]) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.stored = 0
        self._server = server
        self._query = f"SELECT session, uniqExact(seq) FROM `{database}`.executions GROUP BY session"
        self._rings = rings
        self._lock = threading.Lock()
        self._open: list[tuple[str, float, dict[int, int]]] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="recovery times", daemon=True)
        self._thread.start()

    @property
    def heads(self) -> dict[int, int]:
        """Records published so far, by session."""
        return {session: ring.head for session, ring in self._rings.items()}

    @property
    def pending(self) -> int:
        """Faults whose records are not all stored."""
        with self._lock:
            return len(self._open)

    def note(self, kind: str) -> None:
        """A fault is over."""
        with self._lock:
            self._open.append((kind, time.monotonic(), self.heads))

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closing.wait(INTERVAL_SECONDS):
            try:
                with self._server.client(connect_timeout=1, send_receive_timeout=5) as client:
                    while not self._closing.wait(INTERVAL_SECONDS):
                        rows = client.query(self._query).result_rows
                        self._settle({row[0]: row[1] for row in rows})
            except (ClickHouseError, HTTPError, OSError):
                continue  # it is down at the moment

    def _settle(self, counts: dict[int, int]) -> None:
        now = time.monotonic()
        self.stored = sum(counts.values())
        with self._lock:
            still_open = []
            for kind, began, heads in self._open:
                if all(counts.get(session, 0) >= head for session, head in heads.items()):
                    self.seconds[kind].append(now - began)
                else:
                    still_open.append((kind, began, heads))
            self._open = still_open
