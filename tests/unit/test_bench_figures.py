"""What benchmarks report: percentiles, tables, plots."""

import json
import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import numpy as np
import pytest
from click.testing import CliRunner

from ringbuf.tools.bench import plot
from ringbuf.tools.bench.append import rows
from ringbuf.tools.bench.command import bench
from ringbuf.tools.bench.distribution import RARE, Distribution, distribution
from ringbuf.tools.bench.fills import NOTHING, FillStream
from ringbuf.tools.bench.report import Report, Section, text_of
from ringbuf.tools.bench.ring_contenders import NativeFloor, PackFloor

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


def test_a_row_is_compared_with_both_floors_of_the_same_run() -> None:
    found = {NativeFloor.name: [np.full(5, 100.0)], PackFloor.name: [np.full(5, 400.0)], "ours": [np.full(5, 120.0)]}
    table = {row["name"]: row for row in rows(found)}
    assert table["ours"]["x_c_floor"] == pytest.approx(1.2)
    assert table["ours"]["x_pack_into"] == pytest.approx(0.3)
    assert table["ours"]["best_p50"] == pytest.approx(0.12)


def test_without_a_floor_there_is_no_ratio() -> None:
    (row,) = rows({"ours": [np.full(5, 120.0)]})
    assert row["x_c_floor"] is None


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


def test_a_plot_keeps_every_mark_on_its_paper() -> None:
    lines = [("small", [0.001]), ("large", [9.9e6])]
    root = ElementTree.fromstring(plot.draw("title", "where", [plot.Group("group", "us", ["p50"], lines)]))
    places = [float(element.attrib["cx"]) for element in root.iter(f"{SVG}circle")]
    assert all(plot.LEFT <= place <= plot.WIDTH - plot.RIGHT for place in places[1:])
    assert places[1] < places[2]


def test_a_plot_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    result = CliRunner().invoke(publish, ["--plot", str(tmp_path / "nowhere" / "plot.svg")])
    assert "plot.svg cannot be written" in str(result.exception)


@pytest.mark.parametrize("name", sorted(bench.commands))
def test_every_benchmark_takes_the_same_options(name: str) -> None:
    options = {option for parameter in bench.commands[name].params for option in parameter.opts}
    assert {"--quick", "--json", "--plot", "--clickhouse"} <= options
    assert all(parameter.help for parameter in bench.commands[name].params if isinstance(parameter, click.Option))
    assert CliRunner().invoke(bench, [name, "--help"]).exit_code == 0
    assert CliRunner().invoke(bench, [name, "--bogus"]).exit_code == 2
