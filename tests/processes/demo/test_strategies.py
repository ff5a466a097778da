"""The demo's exchange and strategies as real processes, with the rings read by a consumer instead of a writer."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from ringbuf import Consumer, ExecType, OrderStatus
from ringbuf.demo.result import StrategyResult, strategy_name
from ringbuf.launch.child_process import ChildProcess, module
from ringbuf.launch.waiting import WAIT_SECONDS, wait_until
from ringbuf.ring.registry import NAMESPACE_VARIABLE, ring_names
from ringbuf.strategies.inventory import Inventory
from ringbuf.trading.states import ENDS
from tests.process_group import members

EXCHANGE = "ringbuf.demo.exchange"
STRATEGIES = "ringbuf.demo.strategy_processes"
NOT_IN_A_STRATEGY = {"chdb", "click", "clickhouse_connect", "prometheus_client", "rich"}
Record = np.void


class Floor:
    """An exchange and strategies, in one namespace."""

    def __init__(self, directory: Path, namespace: str, stack: ExitStack) -> None:
        self.directory = directory
        self._namespace = namespace
        self._stack = stack

    def start(self, name: str, arguments: dict[str, object], *, answers: bool = False) -> ChildProcess:
        texts = [str(each) for argument in arguments.items() for each in argument]
        log = self.directory / f"{name}.log"
        environment = {NAMESPACE_VARIABLE: self._namespace}
        process = ChildProcess(name, module(name, *texts), log, environment=environment, answers=answers)
        self._stack.callback(process.end)
        return process

    def exchange(self, clients: int) -> int:
        """Start an exchange; returns its port."""
        process = self.start(EXCHANGE, {"--clients": clients, "--seed": 1}, answers=True)
        return int(json.loads(process.first_line())["port"])

    def strategies(self, port: int, **other: object) -> ChildProcess:
        """Start strategies; by default two for half a second."""
        usual: dict[str, object] = {
            "strategies": 2,
            "port": port,
            "account": "A1",
            "rate": 400,
            "seconds": 0.5,
            "capacity": 1024,
            "seed": 1,
            "results": self.directory,
        }
        return self.start(STRATEGIES, {f"--{name}": value for name, value in (usual | other).items()})


@pytest.fixture
def floor(tmp_path: Path, namespace: str) -> Iterator[Floor]:
    with ExitStack() as stack:
        yield Floor(tmp_path, namespace, stack)


def finish(process: ChildProcess) -> int:
    return process.wait(WAIT_SECONDS)


def recorded(name: str) -> list[Record]:
    with Consumer.open(name) as consumer:
        return [record.copy() for records in consumer.poll() for record in records]


def positions(given: dict[str, str]) -> dict[str, Decimal]:
    return {symbol: Decimal(text) for symbol, text in given.items() if Decimal(text)}


def test_strategies_record_all_they_do_and_know_the_positions_the_exchange_has(floor: Floor) -> None:
    assert finish(floor.strategies(floor.exchange(2))) == 0
    results = StrategyResult.read_all(floor.directory)
    assert [each.name for each in results] == [strategy_name(1), strategy_name(2)] == ring_names()
    for result in results:
        records = recorded(result.name)
        assert len(records) == result.records > 10
        assert result.full == 0
        assert {int(record["session"]) for record in records} == {result.session}
        assert positions(result.positions) == positions(result.venue_positions)
        rebuilt = Inventory()
        for record in records:
            rebuilt.apply(record)
        of_ring = {instrument.symbol: f"{each.quantity:f}" for instrument, each in rebuilt.positions().items()}
        assert positions(of_ring) == positions(result.positions)
        assert {currency: f"{paid:f}" for currency, paid in rebuilt.commissions().items()} == result.commissions
        assert all(each.open_buy == each.open_sell == 0 for each in rebuilt.positions().values())


def test_every_recorded_order_is_sent_once_closed_once_and_nothing_of_it_is_flagged(floor: Floor) -> None:
    assert finish(floor.strategies(floor.exchange(1), strategies=1, rate=300, seconds=1)) == 0
    histories: defaultdict[bytes, list[Record]] = defaultdict(list)
    for record in recorded(strategy_name(1)):
        assert record["flags"] == 0
        histories[bytes(record["client_order_id"])].append(record)
    seen = set()
    for history in histories.values():
        types = [ExecType(int(record["exec_type"])) for record in history]
        seen |= set(types)
        assert types[0] is ExecType.PENDING_NEW
        assert types.count(ExecType.PENDING_NEW) == 1
        states = [OrderStatus(int(record["order_status"])) for record in history]
        assert sum(state in ENDS for state in states) == 1
    assert seen > {ExecType.NEW, ExecType.FILL, ExecType.CANCELED, ExecType.PENDING_CANCEL}


def test_a_full_ring_is_counted_and_the_positions_are_right_all_the_same(floor: Floor) -> None:
    assert finish(floor.strategies(floor.exchange(1), strategies=1, capacity=16)) == 0
    (result,) = StrategyResult.read_all(floor.directory)
    assert result.records == 16
    assert result.full > 0
    assert positions(result.positions) == positions(result.venue_positions)


def test_when_one_strategy_fails_all_end_and_say_why(floor: Floor) -> None:
    process = floor.strategies(floor.exchange(3), capacity=3)
    assert finish(process) == 1
    assert "capacity 3 is no power of two" in str(process.failure("failed"))


def test_strategies_end_when_the_exchange_goes_away(floor: Floor) -> None:
    exchange = floor.start(EXCHANGE, {"--clients": 2, "--seed": 1}, answers=True)
    port = int(json.loads(exchange.first_line())["port"])
    process = floor.strategies(port, seconds=60)
    wait_until(lambda: len(ring_names()) == 2, "the strategies have started")
    os.kill(exchange.pid, signal.SIGKILL)
    assert finish(process) == 1


def test_an_exchange_answers_what_it_does_not_understand_and_goes_on(floor: Floor) -> None:
    port = floor.exchange(1)

    async def talk() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as connection:
            for message in ['{"op": "login", "client": "me"}', "{", "[]", '{"op": "steal"}', '{"op": "positions"}']:
                await connection.send(message)
            while not events or events[-1]["event"] != "positions":
                events.append(json.loads(await connection.recv()))
        return events

    names = [event["event"] for event in asyncio.run(talk())]
    assert names.count("error") == 3


def test_exchange_and_strategies_end_when_the_demo_is_killed(floor: Floor) -> None:
    program = f"""
import json, sys, time
from pathlib import Path
from ringbuf.launch.child_process import ChildProcess, module
directory = sys.argv[1]
log = Path(directory, "log")
exchange = ChildProcess("exchange", module("{EXCHANGE}", "--clients", "2", "--seed", "1"), log, answers=True)
port = json.loads(exchange.first_line())["port"]
arguments = ["--strategies", "2", "--port", str(port), "--account", "A1", "--rate", "100", "--seconds", "60",
             "--capacity", "1024", "--seed", "1", "--results", directory]
strategies = ChildProcess("strategies", module("{STRATEGIES}", *arguments), log)
print(exchange.pid, strategies.pid, flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", program, str(floor.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        groups = [int(pid) for pid in starter.stdout.readline().split()]
        wait_until(lambda: len(ring_names()) == 2, "the strategies have started")
        starter.kill()
    wait_until(lambda: not any(members(group) for group in groups), f"the groups {groups} end")


@pytest.mark.parametrize("module", [STRATEGIES, EXCHANGE])
def test_neither_strategy_nor_exchange_imports_a_database_or_a_terminal(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert NOT_IN_A_STRATEGY.isdisjoint(loaded.stdout.split())
