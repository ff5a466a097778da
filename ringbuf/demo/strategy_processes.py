"""Starts the strategies, each in a process of its own.

They are forked from one process that has everything imported, so that a hundred start in a second and share their code
in memory. A ring is opened after the fork, by the process that uses it.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

from ringbuf.demo.result import strategy_name
from ringbuf.demo.strategy import StrategySettings, run_strategy
from ringbuf.launch.owner import end_with


def _fork(settings: StrategySettings) -> int:
    """Run a strategy in a child; returns the child's process id, in the child not at all."""
    owner = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    end_with(owner)
    asyncio.run(run_strategy(settings))
    sys.exit()


def _wait(pids: set[int]) -> int:
    """Wait for all; if one fails, the others are ended. Returns the exit code."""
    failed = 0
    while pids:
        pid, status = os.wait()
        pids.remove(pid)
        if status and not failed:
            failed = 1
            for each in pids:
                os.kill(each, signal.SIGTERM)
    return failed


def main() -> int:
    """Run all strategies to their end."""
    parser = argparse.ArgumentParser(prog="strategies")
    parser.add_argument("--strategies", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--rate", type=float, required=True, help="records per second, of all together")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--capacity", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--results", type=Path, required=True)
    given = parser.parse_args()
    gc.freeze()
    return _wait(
        {
            _fork(
                StrategySettings(
                    name=strategy_name(number),
                    account=given.account,
                    port=given.port,
                    rate=given.rate / given.strategies,
                    seconds=given.seconds,
                    capacity=given.capacity,
                    seed=given.seed,
                    results=given.results,
                )
            )
            for number in range(1, given.strategies + 1)
        }
    )


if __name__ == "__main__":
    sys.exit(main())
