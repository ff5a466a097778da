"""Starts the strategies, each in a process of its own, and starts one again that is killed.

They are forked from one process that has everything imported, so that a hundred start in a second and share their code
in memory. A ring is opened after the fork, by the process that uses it.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import time
from dataclasses import replace
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


def _run_all(every: list[StrategySettings]) -> int:
    """Run all to their end; one that is killed goes on for the time that is left. If one fails, the others are ended.

    Returns:
        The exit code.
    """
    began, failed = time.monotonic(), 0
    running = {_fork(each): each for each in every}
    while running:
        pid, status = os.wait()
        settings = running.pop(pid)
        if os.WIFSIGNALED(status) and not failed:
            left = max(every[0].seconds - (time.monotonic() - began), 0.0)
            again = replace(settings, start=settings.start + 1, seconds=left)
            running[_fork(again)] = again
        elif status and not failed:
            failed = 1
            for each in running:
                os.kill(each, signal.SIGTERM)
    return failed


def main() -> int:
    """Run all strategies to their end."""
    parser = argparse.ArgumentParser(prog="strategies")
    parser.add_argument("--strategies", type=int, required=True)
    parser.add_argument("--maker-port", type=int, required=True)
    parser.add_argument("--hedge-port", type=int, required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--rate", type=float, required=True, help="records per second, of all together")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--capacity", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--ids", type=Path, required=True)
    given = parser.parse_args()
    # Here the exchanges leave questions unanswered on purpose; the log is for why a strategy failed.
    logging.getLogger("ringbuf.reconciliation").setLevel(logging.CRITICAL)
    gc.freeze()
    return _run_all(
        [
            StrategySettings(
                name=strategy_name(number),
                start=1,
                account=given.account,
                maker_port=given.maker_port,
                hedge_port=given.hedge_port,
                rate=given.rate / given.strategies,
                seconds=given.seconds,
                capacity=given.capacity,
                seed=given.seed,
                data_dir=given.data_dir,
                results=given.results,
                ids=given.ids,
            )
            for number in range(1, given.strategies + 1)
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
