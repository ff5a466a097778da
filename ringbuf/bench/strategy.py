"""`ringbuf bench strategy`: what one message of a venue costs a strategy, and what its orders take of memory."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from ringbuf.bench.distribution import Distribution, Samples
from ringbuf.bench.message_contenders import CONTENDERS, Pages, RecordAlone
from ringbuf.bench.message_process import MessageProcess
from ringbuf.bench.remembering import STEPS, Remembered, RememberingProcess
from ringbuf.bench.report import LABEL, Report, Section, bench_options
from ringbuf.bench.venue_messages import KINDS, PER_ORDER
from ringbuf.bench.workspace import Workspace, workspace

STEP_SECONDS: Final = 3_600.0
COST_NOTE: Final = (
    "best p50 is the median of the best round, which can be compared; the others are over all rounds. Inventory.apply "
    "knows the same orders and positions, and tells nobody. No collector: Python's garbage collector is off during the "
    "call; otherwise it runs on what all contenders keep. What ccxt does is the parse of one answer of Binance into "
    "its unified order, which nobody keeps; the adapter's messages are such orders, parsed before."
)
MEMORY_NOTE: Final = (
    "Own memory of a process that applies {count:,} orders, without a recorder. The first are of four messages, as "
    "above; of the others nine in ten are acknowledged and canceled. {held:,} orders fill a look-back of a day of the "
    "venue's time; what is over and was not heard of for so long leaves."
)


class Extent(NamedTuple):
    """How much is measured: rounds, orders a round, orders that are remembered in all, and within a look-back."""

    rounds: int
    per_round: int
    orders: int
    held: int


FULL: Final = Extent(rounds=30, per_round=500, orders=1_000_000, held=100_000)
QUICK: Final = Extent(rounds=3, per_round=100, orders=20_000, held=4_000)


@click.command()
@bench_options
def strategy(quick: bool, as_json: bool, plot_file: Path | None) -> None:
    """Cost of one venue message to the strategy. Record, page, inventory and handler; and the memory of orders."""
    report = Report("strategy", quick)
    with workspace() as work:
        measure(work, QUICK if quick else FULL, report)
    report.publish(as_json, plot_file)


def measure(work: Workspace, extent: Extent, report: Report) -> None:
    """Time messages in a process of its own, then see what another one remembers; into the report."""
    with MessageProcess(work.namespace, extent.rounds, extent.per_round) as process:
        found = process.measured()
    report.absent |= found.absent
    report.failed |= found.failed
    report.sections.append(Section("cost of one message", rows(found.samples), ("best_p50", "p99"), "us", COST_NOTE))
    if Pages.name in found.samples:
        report.sections.append(Section(f"{Pages.name}, by kind", by_kind(found.samples[Pages.name]), (), "us"))
    report.sections.append(_memory(extent, report))


def rows(samples: dict[str, list[Samples]]) -> list[dict[str, Any]]:
    """One row for each contender, the floors first."""
    found = {name: Distribution.of(each).scaled(1e-3) for name, each in samples.items()}
    floor = found.get(RecordAlone.name)
    names = [each.name for each in CONTENDERS if each.name in found]
    return [
        {LABEL: name, **found[name].figures(), "x_floor": found[name].best / floor.best if floor else None}
        for name in names
    ]


def by_kind(rounds: list[Samples]) -> list[dict[str, Any]]:
    """One row for each kind of message."""
    return [
        {LABEL: kind, **Distribution.of([each[at::PER_ORDER] for each in rounds]).scaled(1e-3).figures()}
        for at, kind in enumerate(KINDS)
    ]


def _memory(extent: Extent, report: Report) -> Section:
    with RememberingProcess(extent.orders, extent.held) as process:
        before, opened, closed, *flow = (process.remembered(STEP_SECONDS) for _ in range(3 + STEPS))
    if not all(each.is_right for each in (before, closed, *flow)):
        report.failed["memory"] = "positions do not sum up to what was traded"
    many = opened.orders - before.orders
    table = [
        _row("at first", before),
        _row(f"{many:,} orders opened", opened) | {"bytes_per_order": (opened.mb - before.mb) * 1e6 / many},
        _row("the same filled", closed) | {"bytes_per_order": (closed.mb - before.mb) * 1e6 / many},
        *(_row(f"{each.orders:,} orders", each) for each in flow),
    ]
    note = MEMORY_NOTE.format(count=extent.orders, held=extent.held)
    return Section("memory", table, note=note)


def _row(name: str, found: Remembered) -> dict[str, Any]:
    return {LABEL: name, "pages": found.known, "open": found.open, "own_mb": found.mb, "bytes_per_order": None}
