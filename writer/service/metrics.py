"""The writer's status as Prometheus metrics, on the loopback address."""

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ringbuf.errors import ConfigurationError

_PREFIX = "ringbuf_writer"


class StatusCollector(Collector):
    """Turns a writer's status into metrics whenever it is scraped."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """One family per number of the status."""
        status = self._status()
        journal, latency = status["journal"], status["latency_ms"]
        yield CounterMetricFamily(f"{_PREFIX}_captured_records", "Records journaled", status["captured"])
        yield CounterMetricFamily(f"{_PREFIX}_stored_records", "Records stored", status["stored"])
        yield GaugeMetricFamily(f"{_PREFIX}_quarantined_records", "Records in quarantine", status["quarantined"])
        yield GaugeMetricFamily(f"{_PREFIX}_expired_records", "Taken at once by their table's TTL", status["expired"])
        yield GaugeMetricFamily(f"{_PREFIX}_rings", "Attached rings", status["rings"])
        yield GaugeMetricFamily(f"{_PREFIX}_lost_rings", "Rings that are gone without an end", status["lost_rings"])
        yield CounterMetricFamily(f"{_PREFIX}_removed_rings", "Dead rings removed", status["removed_rings"])
        yield GaugeMetricFamily(f"{_PREFIX}_journal_bytes", "Bytes of all segments", journal["bytes"])
        backlog = journal["durable"] - journal["checkpoint"]
        yield GaugeMetricFamily(f"{_PREFIX}_backlog_bytes", "Journaled and not yet known to be stored", backlog)
        underived = status["derivation"]["behind"]
        yield GaugeMetricFamily(f"{_PREFIX}_underived_records", "Stored, and not yet in orders and fills", underived)
        late = status["derivation"]["late"]
        yield GaugeMetricFamily(f"{_PREFIX}_late_reports", "Came when records of their orders were gone", late)
        yield GaugeMetricFamily(f"{_PREFIX}_database_reachable", "1 if it is", float(status["sink"]["reachable"]))
        yield from _of_rings(status["ring_counters"])
        yield from _of_stragglers(status["stragglers"])
        family = GaugeMetricFamily(f"{_PREFIX}_latency_seconds", "Append to stored", labels=["quantile"])
        for name, quantile in (("p50", "0.5"), ("p99", "0.99")):
            if latency[name] is not None:
                family.add_metric([quantile], latency[name] / 1000)
        yield family
        errors = CounterMetricFamily(f"{_PREFIX}_errors", "Errors by kind", labels=["kind"])
        for kind, count in status["errors"].items():
            errors.add_metric([kind], count)
        yield errors


def _of_rings(rings: dict[str, dict[str, int]]) -> Iterator[Metric]:
    families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
        "lag": GaugeMetricFamily(f"{_PREFIX}_ring_lag_records", "Recorded and not yet journaled", labels=["ring"]),
        "dropped": CounterMetricFamily(f"{_PREFIX}_ring_dropped_records", "Found the ring full", labels=["ring"]),
        "rejected": CounterMetricFamily(f"{_PREFIX}_ring_rejected_records", "Could not be stored", labels=["ring"]),
        "flagged": CounterMetricFamily(f"{_PREFIX}_ring_flagged_records", "Stored with a flag", labels=["ring"]),
        "recreated": CounterMetricFamily(f"{_PREFIX}_ring_recreated", "Made anew, its name was gone", labels=["ring"]),
    }
    for ring, its in rings.items():
        for name, family in families.items():
            family.add_metric([ring], its[name])
    yield from families.values()


def _of_stragglers(stragglers: list[dict[str, Any]]) -> Iterator[Metric]:
    records = GaugeMetricFamily(f"{_PREFIX}_straggler_records", "Records of a schema that is behind", labels=["schema"])
    since = GaugeMetricFamily(f"{_PREFIX}_straggler_since_seconds", "Unix time it fell behind", labels=["schema"])
    for each in stragglers:
        records.add_metric([each["schema"]], each["records"])
        since.add_metric([each["schema"]], each["since_ns"] / 1e9)
    yield records
    yield since


def serve_metrics(port: int, status: Callable[[], dict[str, Any]]) -> None:
    """Serve metrics on 127.0.0.1.

    Raises:
        ConfigurationError: the port cannot be used.
    """
    own = CollectorRegistry()
    own.register(StatusCollector(status))
    try:
        start_http_server(port, addr="127.0.0.1", registry=own)
    except OSError as error:
        raise ConfigurationError(f"metrics port {port} cannot be used: {error}", "choose another") from error
