"""A ClickHouse server out of a libchdb.so: `python clickhouse_library.py LIBRARY CONFIG_FILE`.

The library's entry `chdb_query_cmdline` is the `main` of clickhouse-local. A statement opens the HTTP port, another one
the TCP port if the configuration has one, and a query without end keeps the process alive.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

FOREVER: Final = (
    "SELECT sleepEachRow(3) FROM system.numbers SETTINGS max_block_size = 1, max_execution_time = 0,"
    " function_sleep_max_microseconds_per_block = 0 FORMAT Null"
)


def serve(library: str, config: str) -> None:
    """Serve until the process is ended."""
    chdb = ctypes.CDLL(library)
    chdb.chdb_query_cmdline.restype = ctypes.c_void_p
    chdb.chdb_result_error.argtypes = [ctypes.c_void_p]
    chdb.chdb_result_error.restype = ctypes.c_char_p
    ports = ["HTTP"] + ["TCP"] * ("<tcp_port>" in Path(config).read_text())
    statements = ";".join([*(f"SYSTEM START LISTEN {each}" for each in ports), FOREVER])
    arguments = ["clickhouse", f"--config-file={config}", "--log-level=warning", f"--query={statements}"]
    argv = (ctypes.c_char_p * len(arguments))(*map(os.fsencode, arguments))
    result = chdb.chdb_query_cmdline(len(arguments), argv)
    sys.exit(f"server ended: {chdb.chdb_result_error(result) if result else 'no result'}")


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
