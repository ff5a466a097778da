"""The demo's exchanges and strategies as real processes, with the rings read by a consumer instead of a writer."""

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
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from ringbuf import Consumer, ExecType, OrderStatus
from ringbuf.demo.hedging import hedges
from ringbuf.demo.market import EXCHANGES
from ringbuf.demo.result import StrategyResult, strategy_name
from ringbuf.launch.child_process import ChildProcess, module
from ringbuf.launch.waiting import WAIT_SECONDS, wait_until
from ringbuf.ring.inspection import open_ring
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
        self.exchanges: list[tuple[ChildProcess, int]] = []

    def start(self, name: str, arguments: dict[str, object], *, answers: bool = False) -> ChildProcess:
        texts = [str(each) for argument in arguments.items() for each in argument]
        log = self.directory / f"{name}.log"
        environment = {NAMESPACE_VARIABLE: self._namespace}
        process = ChildProcess(name, module(name, *texts), log, environment=environment, answers=answers)
        self._stack.callback(process.end)
        return process

    def exchange(self, name: str, clients: int, seconds: float = 60) -> tuple[ChildProcess, int]:
        """Start an exchange; returns it and its port."""
        arguments = {"--name": name, "--clients": clients, "--seconds": seconds, "--seed": 1}
        process = self.start(EXCHANGE, arguments, answers=True)
        return process, int(json.loads(process.first_line())["port"])

    def strategies(self, seconds: float = 0.5, **other: object) -> ChildProcess:
        """Start both exchanges, and strategies there; by default two for half a second."""
        usual: dict[str, object] = {
            "strategies": 2,
            "account": "A1",
            "rate": 400,
            "seconds": seconds,
            "capacity": 1024,
            "seed": 1,
            "data-dir": self.directory,
            "results": self.directory,
            "ids": self.directory / "ids",
        }
        given = usual | other
        clients = int(str(given.pop("clients", given["strategies"])))
        self.exchanges = [self.exchange(name, clients, seconds) for name in EXCHANGES]
        given |= {"maker-port": self.exchanges[0][1], "hedge-port": self.exchanges[1][1]}
        return self.start(STRATEGIES, {f"--{name}": value for name, value in given.items()})


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


def check_agreement(result: StrategyResult) -> None:
    """What a strategy knows is what its records say, and the exchanges; and all is hedged."""
    assert positions(result.positions) == positions(result.venue_positions)
    assert result.broken == 0
    rebuilt = Inventory(hedges=lambda order: hedges("A1").get(order.key.symbol))
    for record in recorded(result.name):
        rebuilt.apply(record)
    of_ring = {instrument.symbol: f"{each.quantity:f}" for instrument, each in rebuilt.positions().items()}
    assert positions(of_ring) == positions(result.positions)
    assert {currency: f"{paid:f}" for currency, paid in rebuilt.commissions().items()} == result.commissions
    assert all(each.open_buy == each.open_sell == 0 for each in rebuilt.positions().values())
    for maker, hedge in hedges("A1").items():
        balance = result.hedges.get(hedge.symbol, {})
        filled, carried = Decimal(balance.get("filled", 0)), Fraction(balance.get("balance", 0))
        owed = -Fraction(result.positions.get(maker, 0)) * Fraction(hedge.ratio)
        assert Fraction(filled) + carried == owed
        assert filled == Decimal(result.venue_positions[hedge.symbol])


def test_strategies_record_all_they_do_and_know_the_positions_the_exchanges_have(floor: Floor) -> None:
    assert finish(floor.strategies(1.5)) == 0
    results = StrategyResult.read_all(floor.directory)
    assert [each.name for each in results] == [strategy_name(1), strategy_name(2)] == ring_names()
    for result in results:
        records = recorded(result.name)
        assert len(records) == result.records > 50
        assert (result.full, result.starts, result.resumed_records) == (0, 1, 0)
        assert {int(record["session"]) for record in records} == {result.session}
        check_agreement(result)
        assert result.faults["cut"] == 2, "each exchange cuts each connection once"
        assert sum(result.faults.values()) > 4


def test_a_strategy_that_is_killed_goes_on_and_hedges_nothing_twice(floor: Floor) -> None:
    process = floor.strategies(2.0, strategies=1)
    wait_until(lambda: ring_names() == [strategy_name(1)], "the strategy has started")
    with open_ring(strategy_name(1)) as ring:
        wait_until(lambda: ring.head > 50, "it trades")
        os.kill(ring.state().producer_pid, signal.SIGKILL)
    assert finish(process) == 0
    (result,) = StrategyResult.read_all(floor.directory)
    assert result.starts == 2
    assert 50 < result.resumed_records < result.records == len(recorded(result.name))
    check_agreement(result)


def test_every_recorded_order_is_sent_once_ends_in_one_way_and_nothing_of_it_is_flagged(floor: Floor) -> None:
    assert finish(floor.strategies(1.0, strategies=1, rate=300)) == 0
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
        states = {OrderStatus(int(record["order_status"])) for record in history}
        assert len(states & ENDS.keys()) == 1
    assert seen > {ExecType.NEW, ExecType.FILL, ExecType.CANCELED, ExecType.PENDING_CANCEL}


def test_a_full_ring_is_counted_and_the_positions_are_right_all_the_same(floor: Floor) -> None:
    assert finish(floor.strategies(strategies=1, capacity=16)) == 0
    (result,) = StrategyResult.read_all(floor.directory)
    assert result.records == 16
    assert result.full > 0
    assert positions(result.positions) == positions(result.venue_positions)


def test_when_one_strategy_fails_all_end_and_say_why(floor: Floor) -> None:
    process = floor.strategies(clients=3, capacity=3)
    assert finish(process) == 1
    assert "capacity 3 is no power of two" in str(process.failure("failed"))


@pytest.mark.parametrize("number", [0, 1], ids=EXCHANGES)
def test_strategies_end_when_an_exchange_goes_away(floor: Floor, number: int) -> None:
    process = floor.strategies(60)
    wait_until(lambda: len(ring_names()) == 2, "the strategies have started")
    os.kill(floor.exchanges[number][0].pid, signal.SIGKILL)
    assert finish(process) == 1
    assert f"the exchange {list(EXCHANGES)[number]} is gone" in process.log.read_text()


def talk(port: int, *messages: str) -> list[dict[str, Any]]:
    """What a client called `me` is told, up to the answer to its last message."""

    async def all_of_it() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as connection:
            for message in ['{"op": "login", "client": "me"}', *messages]:
                await connection.send(message)
            while not events or events[-1]["event"] != "answer":
                events.append(json.loads(await connection.recv()))
        return events

    return asyncio.run(all_of_it())


def test_an_exchange_answers_what_it_does_not_understand_and_goes_on(floor: Floor) -> None:
    _, port = floor.exchange("sim-perp", 1)
    question = '{"op": "positions", "request": 1}'
    events = talk(port, "{", "[]", '{"op": "steal"}', '{"op": "positions"}', '{"op": "cancel"}', question)
    assert [event["event"] for event in events].count("error") == 4


def test_an_order_works_on_when_its_connection_is_lost(floor: Floor) -> None:
    _, port = floor.exchange("sim-perp", 1)
    order = '{"op": "new_order", "client_order_id": "%s", "symbol": "BTC-PERPETUAL", "side": "buy", "price": 50000,'
    order += ' "quantity": 1, "time_in_force": "good_till_cancel"}'
    names = [f"c{number}" for number in range(5)]  # some of them are refused for no reason
    talk(port, *(order % name for name in names), '{"op": "positions", "request": 1}')
    questions = ['{"op": "open_orders", "request": 2}']
    for _ in range(20):  # it may be too busy to answer
        *_, event = talk(port, *questions)
        if "answer" in event:
            break
    assert {each["client_order_id"] for each in event["answer"]} <= set(names)
    assert event["answer"]
    assert {each["status"] for each in event["answer"]} == {"new"}


def test_exchange_and_strategies_end_when_the_demo_is_killed(floor: Floor) -> None:
    program = f"""
import json, sys, time
from pathlib import Path
from ringbuf.launch.child_process import ChildProcess, module
directory = sys.argv[1]
log = Path(directory, "log")
arguments = ["--clients", "2", "--seconds", "60", "--seed", "1"]
exchanges = [ChildProcess(name, module("{EXCHANGE}", "--name", name, *arguments), log, answers=True)
             for name in ("sim-perp", "sim-spot")]
maker, hedge = (str(json.loads(each.first_line())["port"]) for each in exchanges)
arguments = ["--strategies", "2", "--maker-port", maker, "--hedge-port", hedge, "--account", "A1", "--rate", "100",
             "--seconds", "60", "--capacity", "1024", "--seed", "1", "--data-dir", directory, "--results", directory,
             "--ids", directory + "/ids"]
strategies = ChildProcess("strategies", module("{STRATEGIES}", *arguments), log)
print(*(each.pid for each in (*exchanges, strategies)), flush=True)
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
