"""The process of a ClickHouse server that ends with the process that started it.

usage: clickhouse_process.py PARENT_PID ENGINE CONFIG_FILE [idle]

ENGINE is the program `clickhouse`, or a libchdb.so: its entry `chdb_query_cmdline` is the `main` of clickhouse-local, a
statement opens the HTTP port, and a query without end keeps the process alive. With `idle` all its threads have the
policy SCHED_IDLE.
"""

import ctypes
import os
import signal
import sys
from typing import Final

IDLE: Final = "idle"
PR_SET_PDEATHSIG: Final = 1
STATEMENTS: Final = (
    "SYSTEM START LISTEN HTTP;"
    "SELECT sleepEachRow(3) FROM system.numbers SETTINGS max_block_size = 1, max_execution_time = 0,"
    " function_sleep_max_microseconds_per_block = 0 FORMAT Null"
)


def main(parent: int, engine: str, config: str, priority: str = "") -> None:
    """Become the server."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(f"process {parent} ended before its server began")
    if priority == IDLE:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if engine.endswith(".so"):
        _serve(engine, config)
    # Else a watchdog process would stand between us and the server, and outlive a SIGKILL.
    os.environ["CLICKHOUSE_WATCHDOG_ENABLE"] = "0"
    os.execv(engine, [engine, "server", f"--config-file={config}"])


def _serve(library: str, config: str) -> None:
    chdb = ctypes.CDLL(library)
    chdb.chdb_query_cmdline.restype = ctypes.c_void_p
    chdb.chdb_result_error.argtypes = [ctypes.c_void_p]
    chdb.chdb_result_error.restype = ctypes.c_char_p
    arguments = ["clickhouse", f"--config-file={config}", "--log-level=warning", f"--query={STATEMENTS}"]
    argv = (ctypes.c_char_p * len(arguments))(*map(os.fsencode, arguments))
    result = chdb.chdb_query_cmdline(len(arguments), argv)
    sys.exit(f"server ended: {chdb.chdb_result_error(result) if result else 'no result'}")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
