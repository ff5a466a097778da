"""Instruments go the way of all records into the database, and profit takes them from there."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ringbuf.errors import ConfigurationError, RingMemory
from ringbuf.instruments.recording import RING, record_contracts
from ringbuf.launch.clickhouse_server import ClickHouse
from ringbuf.launch.waiting import wait_until
from ringbuf.query.instruments import UnknownInstrument, recorded_contracts, unknown_instruments
from ringbuf.query.questions.earned import recorded
from ringbuf.query.questions.profit import profit
from ringbuf.query.questions.selection import Selection
from ringbuf.record.enumerations import ContractKind
from ringbuf.record.instrument import INSTRUMENTS
from ringbuf.ring.consumer import Consumer
from ringbuf.ring.producer import Producer
from ringbuf.trading.contract import Contract
from tests.clickhouse.databases import Database, executions, server_of
from tests.clickhouse.test_profit import asked
from tests.command import ringbuf
from tests.writer_process import WriterProcess

XBTUSD = ("bitmex", "XBTUSD")
CONTRACTS = {
    XBTUSD: Contract(
        ContractKind.INVERSE,
        tick=Decimal("0.5"),
        step=Decimal(100),
        base="XBT",
        quote="USD",
        value_step=Decimal("1e-8"),
    ),
    ("bitmex", "ETHUSD"): Contract(ContractKind.QUANTO, Decimal("0.000001"), base="ETH", quote="USD", settle="XBT"),
    ("x", "ž'\\"): Contract(ContractKind.OPTION, Decimal("0.1"), settle="USD"),
}
CSV = """symbol,exchange,kind,multiplier,settle
XBTUSD,bitmex,inverse,1,XBT
ETHUSD,bitmex,quanto,0.000001,XBT
"""


def test_the_layout_of_an_instrument_is_pinned() -> None:
    """Rings, journals and tables have these bytes: add fields behind, and raise the version."""
    assert (INSTRUMENTS.version, INSTRUMENTS.record_size, INSTRUMENTS.schema_id) == (1, 192, 1_871_986_987)


def store(database: Database, *contracts: dict[tuple[str, str], Contract]) -> None:
    """Record contracts and store them as a writer does, without one."""
    for some in contracts:
        assert record_contracts(some) == len(some)
    with Consumer.open(RING) as consumer:
        database.ensure(INSTRUMENTS)
        for records in consumer.poll():
            database.insert(records, INSTRUMENTS)


def test_contracts_come_back_from_the_database_and_the_latest_counts(views: Database) -> None:
    changed = Contract(ContractKind.INVERSE, Decimal(1), base="XBT", quote="USD", settle="XBT")
    assert not recorded(asked(views), Selection()).instruments  # there is no such table yet
    store(views, CONTRACTS, {XBTUSD: changed})
    assert recorded_contracts(asked(views)) == CONTRACTS | {XBTUSD: changed}
    views.command(f"DROP TABLE {views.name()}.{INSTRUMENTS.name} SYNC")


def test_instruments_that_occur_and_that_nobody_specified_are_listed(views: Database) -> None:
    row = {"exec_type": "new", "account": "a", "order_id": "o"}
    names = [*CONTRACTS, ("b", "known"), ("b", "unknown"), ("b", "unknown")]
    views.insert(executions([row | {"exchange": exchange, "symbol": symbol} for exchange, symbol in names]))
    known = CONTRACTS | {("b", "known"): Contract()}
    assert unknown_instruments(asked(views), known) == [UnknownInstrument("b", "unknown", 2)]


def test_what_was_recorded_and_can_be_no_contract_is_named(views: Database) -> None:
    with Producer.open(RING, INSTRUMENTS) as producer:
        producer.append(exchange="x", symbol="s", multiplier=1.0)
    store(views, {})
    with pytest.raises(ConfigurationError, match=r"\('x', 's'\) as it was recorded: kind is 'unknown'; give one of"):
        recorded_contracts(asked(views))
    with pytest.raises(ConfigurationError, match=r"\('x', 's'\) as it was recorded"):
        profit(asked(views), Selection(symbol=["s*"]))
    assert [*profit(asked(views), Selection(symbol=["other"]))] == []  # nobody asked for that one
    views.command(f"DROP TABLE {views.name()}.{INSTRUMENTS.name} SYNC")


@pytest.mark.parametrize(
    ("contract", "told"),
    [
        (
            Contract(multiplier=Decimal("1.23456789012345678")),
            "multiplier 1.23456789012345678 has more digits than a f64",
        ),
    ],
)
def test_what_does_not_fit_into_a_record_is_refused_before_any_is_recorded(contract: Contract, told: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"instrument \('x', 'bad'\): {told}"):
        record_contracts({**CONTRACTS, ("x", "bad"): contract})
    record_contracts({})
    with Consumer.open(RING) as consumer:
        assert consumer.poll() == ()


def test_a_ring_that_stays_full_is_told() -> None:
    with Producer.open(RING, INSTRUMENTS, capacity=2):
        pass
    with pytest.raises(RingMemory, match="full, 2 of 3 instruments are recorded; start a writer"):
        record_contracts(CONTRACTS, timeout=0.0)
    with Producer.open(RING, INSTRUMENTS) as producer:
        assert (producer.head, producer.dropped) == (2, 0)  # whoever watches `dropped` is not alarmed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "instruments.csv"
    path.write_text(CSV)
    return path


def test_loaded_instruments_are_listed_when_a_writer_has_brought_them_into_the_database(
    clickhouse_server: ClickHouse, database: str, data_dir: Path, file: Path, namespace: str
) -> None:
    options = ["--clickhouse", server_of(clickhouse_server).url or "", "--database", database]

    def listed() -> dict[str, list[dict[str, str]]]:
        answer = ringbuf("instruments", "--data-dir", str(data_dir), "--json")
        assert (answer.returncode, answer.stderr) == (0, "")
        found: dict[str, list[dict[str, str]]] = json.loads(answer.stdout)
        return found

    with WriterProcess(data_dir, *options) as writer:
        writer.wait_running()
        loaded = ringbuf("instruments", "load", str(file), "--json")
        assert json.loads(loaded.stdout) == {"namespace": namespace, "recorded": 2}
        wait_until(lambda: len(listed()["instruments"]) == 2, "both instruments are stored")
        ethusd, xbtusd = listed()["instruments"]
        assert (ethusd["symbol"], ethusd["kind"], ethusd["multiplier"]) == ("ETHUSD", "quanto", "0.000001")
        assert (xbtusd["symbol"], xbtusd["multiplier"], xbtusd["settle"], xbtusd["tick"]) == ("XBTUSD", "1", "XBT", "")
        table = ringbuf("instruments", "--data-dir", str(data_dir)).stdout
        assert "bitmex    XBTUSD  inverse" in table
        audited = ringbuf("audit", "--data-dir", str(data_dir))
        assert "PROVEN" in audited.stdout or "proven" in audited.stdout


def test_a_wrong_file_is_refused_with_its_line_and_nothing_is_recorded(file: Path) -> None:
    file.write_text(CSV + "LTC,x,perp,1,\n")
    refused = ringbuf("instruments", "load", str(file))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"ringbuf: {file}, line 4: kind is 'perp'; give one of spot,")
    file.write_text(CSV.splitlines()[0])
    assert "has no instruments" in ringbuf("instruments", "load", str(file)).stderr
    assert "no ring" in ringbuf("ls").stdout
    assert "give --data-dir" in ringbuf("instruments").stderr
