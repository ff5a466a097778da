"""The status of a writer as metrics."""

import re
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from ringbuf.writer.service.metrics import StatusCollector
from tests.checkout import ROOT

STATUS: dict[str, Any] = {
    "captured": 20, "stored": 19, "quarantined": 1, "expired": 2, "rings": 2, "lost_rings": 3, "removed_rings": 4,
    "journal": {"bytes": 5, "durable": 70, "checkpoint": 64}, "derivation": {"behind": 7, "late": 8},
    "sink": {"reachable": True}, "latency_ms": {"p50": 9.0, "p99": None},
    "stragglers": [{"schema": "ticks", "records": 11, "since_ns": 12_000_000_000}], "errors": {"JournalFull": 13},
    "ring_counters": {
        "mm-btc": {"lag": 14, "dropped": 15, "rejected": 16, "flagged": 17, "recreated": 18},
        "mm-eth": {"lag": 0, "dropped": 0, "rejected": 0, "flagged": 0, "recreated": 0},
    },
}  # fmt: skip


def exposed() -> str:
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: STATUS))
    return generate_latest(registry).decode()


def test_every_ring_has_its_counters_and_its_lag() -> None:
    lines = exposed().splitlines()
    assert 'ringbuf_writer_ring_lag_records{ring="mm-btc"} 14.0' in lines
    for number, name in enumerate(("dropped", "rejected", "flagged"), 15):
        assert f'ringbuf_writer_ring_{name}_records_total{{ring="mm-btc"}} {number}.0' in lines
        assert f'ringbuf_writer_ring_{name}_records_total{{ring="mm-eth"}} 0.0' in lines
    assert 'ringbuf_writer_ring_recreated_total{ring="mm-btc"} 18.0' in lines


def test_what_is_not_of_a_ring_has_one_value() -> None:
    lines = exposed().splitlines()
    for line in ("captured_records_total 20.0", "backlog_bytes 6.0", "lost_rings 3.0", "underived_records 7.0"):
        assert f"ringbuf_writer_{line}" in lines
    assert 'ringbuf_writer_straggler_records{schema="ticks"} 11.0' in lines
    assert 'ringbuf_writer_latency_seconds{quantile="0.5"} 0.009' in lines
    assert not any('quantile="0.99"' in line for line in lines)


def test_the_metrics_in_the_document_exist() -> None:
    text = (ROOT / "docs" / "OPERATING.md").read_text()
    named = set(re.findall(r"`(ringbuf_writer_\w+)`", text))
    assert len(named) > 5
    assert not [each for each in named if f"\n{each}{{" not in exposed() and f"\n{each} " not in exposed()]
