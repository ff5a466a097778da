"""A strategy that starts again has all its records: from the ring, and what is there no more from the database."""

from pathlib import Path

from ringbuf.demo.earlier_records import earlier_records
from ringbuf.launch.waiting import wait_until
from ringbuf.strategies import Recorder
from ringbuf.strategies.inventory import Inventory
from tests.writer_process import WriterProcess

RECORDS = 300


def test_records_that_the_ring_has_no_more_come_from_the_database(data_dir: Path, namespace: str) -> None:
    with WriterProcess(data_dir), Recorder.open("mm", capacity=64) as recorder:
        bound = recorder.bind(exchange="sim", account="A1", symbol="BTC", strategy="mm")
        for number in range(RECORDS):
            wait_until(lambda: recorder.producer.lag < 32, "the writer follows")
            bound.fill(side="buy", last_quantity=0.1, last_price=100.0, order_id="o1", trade_id=f"t{number}")
        wait_until(lambda: recorder.producer.lag == 0, "the writer has all")
        inventory, seqs = Inventory(), []
        for record in earlier_records("mm", data_dir):
            inventory.apply(record)
            seqs.append(int(record["seq"]))
    assert seqs == list(range(RECORDS))
    assert f"{inventory.position('sim', 'A1', 'BTC').quantity:f}" == "30.0"
