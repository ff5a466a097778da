"""What benchmarks report: percentiles, tables, plots."""

import json
import random
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import numpy as np
import pytest
from click.testing import CliRunner

from ringbuf.bench import append, drain, experiment_runs, plot, scale
from ringbuf.bench.command import bench
from ringbuf.bench.distribution import RARE, Distribution, distribution
from ringbuf.bench.experiment_client import Outcome, RingSaving, Saving
from ringbuf.bench.fills import NOTHING, FillStream
from ringbuf.bench.producer_process import Slice
from ringbuf.bench.report import Report, Section, text_of, title_of
from ringbuf.bench.ring_contenders import NativeFloor, PackFloor, packed_values, record_format
from ringbuf.bench.sender_process import cut
from ringbuf.bench.usage import Spent, Usage
from ringbuf.errors import RingbufError
from ringbuf.record.execution import EXECUTION
from tests.checkout import ROOT

BENCHMARKS = (ROOT / "docs" / "BENCHMARKS.md").read_text()
SVG = "{http://www.w3.org/2000/svg}"


def test_percentiles_are_values_that_were_measured() -> None:
    samples = [float(value) for value in range(1, 1001)]
    random.Random(1).shuffle(samples)
    found = distribution(samples)
    assert (found.p50, found.p99, found.p999, found.max, found.count) == (501, 991, 1000, 1000, 1000)


def test_a_few_measurements_have_no_ten_thousandth() -> None:
    assert distribution(range(RARE - 1)).p9999 is None
    assert distribution(range(RARE)).p9999 == RARE - 1


def test_best_is_the_median_of_the_fastest_round_and_the_rest_is_over_all() -> None:
    rounds = [np.full(10, 5.0), np.full(10, 3.0), np.full(20, 9.0)]
    found = Distribution.of(rounds)
    assert (found.best, found.p50, found.max, found.count) == (3, 9, 9, 40)
    assert found.scaled(0.1).best == pytest.approx(0.3)


def test_no_report_has_a_mean() -> None:
    assert not [name for name in distribution([1.0]).figures() if "mean" in name or "average" in name]


def slices(*values: float, gc_runs: int = 0) -> list[Slice]:
    """One slice with these nanoseconds, in turns, enough of them for every percentile."""
    return [Slice(np.resize(values, RARE), gc_runs)]


def test_a_row_is_compared_with_both_floors_of_the_same_run_also_in_its_tails() -> None:
    found = {
        NativeFloor.name: slices(*[100.0] * 97, *[200.0] * 3),
        PackFloor.name: slices(400.0),
        "ours": slices(*[120.0] * 97, *[500.0] * 3),
    }
    table = {row["name"]: row for row in append.rows(found)}
    assert table["ours"]["x_c_floor"] == pytest.approx(1.2)
    assert table["ours"]["x_c_floor_p99"] == table["ours"]["x_c_floor_p9999"] == pytest.approx(2.5)
    assert table["ours"]["x_pack_into"] == pytest.approx(0.3)
    assert table["ours"]["best_p50"] == pytest.approx(0.12)


def test_runs_of_the_garbage_collector_are_added_up() -> None:
    (row,) = append.rows({"ours": [*slices(1.0, gc_runs=2), *slices(1.0, gc_runs=3)]})
    assert row["gc_runs"] == 5


def test_without_a_floor_or_enough_samples_there_is_no_ratio() -> None:
    (row,) = append.rows({"ours": slices(120.0)})
    assert row["x_c_floor"] is None
    few = [Slice(np.full(5, 100.0), 0)]
    (row, _) = append.rows({NativeFloor.name: few, "ours": few})
    assert (row["x_c_floor"], row["x_c_floor_p9999"]) == (1.0, None)


def drained(seconds: float, inserts: list[int], client: float = 1.0) -> drain.Round:
    server = Spent(seconds=seconds, cpu=4.0, last=Usage(0.0, 0.0, 0, 0.0, 0.0, 0.0, 0))
    return drain.Round(seconds, inserts, Spent(seconds=seconds, cpu=client), server)


def test_the_servers_limit_is_that_of_the_faster_number_of_connections() -> None:
    one, two = drain.LIMITS.values()
    found = {
        drain.WRITER: [drained(2.0, [60, 40]), drained(4.0, [100])],
        one: [drained(1.6, [60, 40], 0.5), drained(1.0, [100])],
        two: [drained(1.25, [60, 40]), drained(2.0, [100])],
    }
    table = {row["name"]: row for row in drain.rows(found)}
    assert [table[name]["records_per_s"] for name in (drain.WRITER, one, two)] == [50, 100, 80]
    assert [table[name]["x_limit"] for name in (drain.WRITER, one, two)] == [0.5, 1.0, 0.8]
    assert table[drain.WRITER]["x_limit_median"] == pytest.approx((1.25 / 2 + 1 / 4) / 2)
    of_writer = [table[drain.WRITER][key] for key in ("records", "inserts", "largest_insert", "x_server_cpu")]
    assert of_writer == [100, 2, 60, 0.25]


def test_records_are_cut_into_inserts_without_any_left_over() -> None:
    size = EXECUTION.record_size
    records = memoryview(bytes(3 * size))
    assert [each.nbytes for each in cut(records, [1, 2])] == [size, 2 * size]
    for batches in ([1, 1], [2, 2], []):
        with pytest.raises(RingbufError, match="the journal has 3 records"):
            cut(records, batches)


def test_of_the_writers_rounds_the_one_with_the_least_cpu_counts_and_more_rings_are_compared_with_fewer() -> None:
    def rounds(*used: tuple[float, float | None]) -> list[scale.Measured]:
        usage = Usage(0.0, 0.0, 0, 1.0, 2.0, 3.0, 4)
        return [scale.Measured(Spent(seconds=10.0, cpu=cpu, wakeups=50, last=usage), extra) for cpu, extra in used]

    found = {
        scale.Case(scale.FLOOR, 0): rounds((0.01, None)),
        scale.Case(scale.TOTAL, 1): rounds((2.0, 80.0), (1.0, 50.0)),
        scale.Case(scale.IDLE, 1): rounds((0.1, None)),
        scale.Case(scale.TOTAL, 100): rounds((3.0, 60.0), (3.1, 40.0)),
    }
    table = scale.rows(found)
    assert [row["name"] for row in table] == [
        scale.FLOOR,
        f"{scale.IDLE}, 1 ring",
        f"{scale.TOTAL}, 1 ring",
        f"{scale.TOTAL}, 100 rings",
    ]
    assert [row["cpu_percent"] for row in table] == pytest.approx([0.1, 1.0, 10.0, 30.0])
    assert [row["x_fewest_rings"] for row in table] == [None, None, 1.0, 1.2]
    assert table[0]["wakeups_per_s"] == 5


def test_rounds_of_the_experiment_are_compared_with_noop_in_the_same_round() -> None:
    def outcome(seconds: float, milliseconds: float) -> Outcome:
        return Outcome(seconds, 0.5 * seconds, [round(milliseconds * 1e6)] * 10, 5, 5, {"exchange": seconds})

    found = {
        RingSaving.name: [outcome(1.1, 4.0), outcome(2.2, 3.0), outcome(1.0, 9.0)],
        Saving.name: [outcome(1.0, 2.0), outcome(2.0, 3.0), outcome(1.0, 3.0)],
    }
    noop, ring = experiment_runs.rows(found)
    assert (noop["name"], noop["x_noop_total"], noop["x_noop_best_p99"]) == (Saving.name, 1.0, 1.0)
    assert [ring[key] for key in ("total_s", "best_total_s", "p99", "best_p99")] == [1.1, 1.0, 4.0, 3.0]
    assert [ring[key] for key in ("x_noop_total", "x_noop_p99")] == pytest.approx([1.1, 2.0])
    assert [ring[key] for key in ("x_noop_best_total", "x_noop_best_p99")] == pytest.approx([1.0, 1.5])
    assert [ring[key] for key in ("trading_cpu_percent", "exchange_cpu_percent")] == pytest.approx([50.0, 100.0])


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("x_c_floor_p9999", "x c floor p99.99"),
        ("records_per_s", "records/s"),
        ("cpu_percent", "cpu %"),
        ("server_data", "server data"),
    ],
)
def test_keys_are_shown_as_words(key: str, shown: str) -> None:
    assert title_of(key) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.1234, "0.123"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
        (12345, "12,345"),
        ("a", "a"),
    ],
)
def test_figures_have_the_digits_that_mean_something(value: Any, shown: str) -> None:
    assert text_of(value) == shown


def test_the_stream_of_fills_is_the_same_each_time_and_its_tally_tells_any_two_apart() -> None:
    fills = FillStream().take(100)
    assert fills == FillStream().take(100)
    seqs = [fill.exchange_seq for fill in fills]
    tallies = {NOTHING.plus(seqs[:index] + seqs[index + 1 :]) for index in range(len(seqs))}
    assert len(tallies) == len(seqs)
    assert NOTHING.plus(seqs[:40]).plus(seqs[40:]) == NOTHING.plus(seqs)
    assert NOTHING.plus([seq ^ 1 << 40 for seq in seqs]) != NOTHING.plus(seqs)


def report() -> Report:
    table: list[dict[str, Any]] = [{"name": "a & b", "p50": 0.5, "p999": 20.0}, {"name": "c", "p50": None, "p999": 3.0}]
    return Report("test", True, [Section("cost", table, ("p50", "p999"), "us", "a note")], {"redis": "not there"})


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--plot", type=click.Path(path_type=Path))
@click.option("--fail", is_flag=True)
def publish(as_json: bool, plot: Path | None, fail: bool) -> None:
    found = report()
    if fail:
        found.failed["a & b"] = "lost one"
    found.publish(as_json, plot)


def test_a_report_says_where_it_ran_what_it_found_and_what_it_could_not() -> None:
    printed = CliRunner().invoke(publish, []).stdout
    for wanted in ("cpu", "kernel", "python", "core", "command", "cost [us]", "p99.9", "a & b", "a note"):
        assert wanted in printed
    assert "not measured: redis: not there" in printed


def test_a_report_as_json_has_the_same() -> None:
    found = json.loads(CliRunner().invoke(publish, ["--json"]).stdout)
    assert found["machine"].keys() >= {"cpu", "kernel", "python", "version", "core", "command"}
    assert found["sections"][0]["rows"][0] == {"name": "a & b", "p50": 0.5, "p999": 20.0}
    assert found["absent"] == {"redis": "not there"}


def test_every_key_of_the_json_is_documented() -> None:
    found = json.loads(CliRunner().invoke(publish, ["--json"]).stdout)
    documented = set(re.findall(r"`(\w+)`", BENCHMARKS[BENCHMARKS.index("**JSON.**") : BENCHMARKS.index("A row has")]))
    assert documented == found.keys() | found["sections"][0].keys()


def test_a_failed_check_is_shown_and_is_a_problem() -> None:
    result = CliRunner().invoke(publish, ["--fail"])
    assert result.exit_code == 1
    assert "FAILED: a & b: lost one" in result.stdout


def test_a_plot_is_an_svg_with_every_line_and_a_mark_for_every_figure(tmp_path: Path) -> None:
    file = tmp_path / "plot.svg"
    assert CliRunner().invoke(publish, ["--plot", str(file)]).exit_code == 0
    root = ElementTree.fromstring(file.read_text())
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {"a & b", "c", "cost [us]", "p50", "p99.9"} <= texts
    legend, figures = 2, 3
    assert len(list(root.iter(f"{SVG}circle"))) == legend + figures


@pytest.mark.parametrize(("small", "large"), [(0.001, 9.9e6), (1.0, 1.0), (0.0009, 0.001), (300.0, 700.0)])
def test_a_plot_keeps_every_mark_on_its_paper(small: float, large: float) -> None:
    lines: list[tuple[str, list[float | None]]] = [("a name of some length", [small, None]), ("large", [large, small])]
    root = ElementTree.fromstring(plot.draw("title", "where", [plot.Group("group", "us", ["p50", "p99"], lines)]))
    places = [float(element.attrib["cx"]) for element in root.iter(f"{SVG}circle")][2:]
    assert len(places) == 3
    assert all(plot.LETTER * len("a name of some length") < place <= plot.WIDTH - plot.RIGHT for place in places)
    assert places[0] == places[1] <= places[2]
    assert (places[1] < places[2]) == (small < large)


def test_a_single_figure_is_a_bar_as_long_as_it_is_large() -> None:
    lines: list[tuple[str, list[float | None]]] = [("writer", [200.0]), ("other", [50.0]), ("absent", [None])]
    root = ElementTree.fromstring(plot.draw("title", "where", [plot.Group("group", "us", ["p50"], lines)]))
    _, *bars = [float(element.attrib["width"]) for element in root.iter(f"{SVG}rect")]
    assert bars[1] == pytest.approx(bars[0] / 4, rel=0.01)
    assert bars[2] == 0


@pytest.mark.parametrize(
    ("figure", "shown"), [(2541.3, "2,541"), (0.1304, "0.13"), (21.68, "21.7"), (1e6, "1,000,000")]
)
def test_no_figure_of_a_plot_has_an_exponent(figure: float, shown: str) -> None:
    assert plot.figure_text(figure) == shown


def test_a_plot_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    result = CliRunner().invoke(publish, ["--plot", str(tmp_path / "nowhere" / "plot.svg")])
    assert "plot.svg cannot be written" in str(result.exception)


@pytest.mark.parametrize("name", sorted(bench.commands))
def test_every_benchmark_takes_the_same_options(name: str) -> None:
    options = {option for parameter in bench.commands[name].params for option in parameter.opts}
    of_a_server = set() if name == "strategy" else {"--clickhouse"}
    assert {"--quick", "--json", "--plot"} | of_a_server <= options
    assert all(parameter.help for parameter in bench.commands[name].params if isinstance(parameter, click.Option))
    assert CliRunner().invoke(bench, [name, "--help"]).exit_code == 0
    assert CliRunner().invoke(bench, [name, "--bogus"]).exit_code == 2


def test_the_floor_of_python_packs_a_whole_record_with_the_values_of_the_fill() -> None:
    (fill,) = FillStream().take(1)
    packed = struct.pack(record_format(EXECUTION), *packed_values(fill))
    (record,) = np.frombuffer(packed, EXECUTION.dtype)
    assert (record["last_price"], record["exchange_seq"]) == (fill.last_price, fill.exchange_seq)
    assert (record["trade_id"].decode(), record["symbol"]) == (fill.trade_id, b"BTC-PERPETUAL")
    assert EXECUTION.words["side"][int(record["side"])] == fill.side
    assert np.isnan(record["stop_price"]) and record["text"] == b""
