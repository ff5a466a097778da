"""Saved runs of `ringbuf bench query`, beside each other."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from ringbuf.bench.command import bench
from ringbuf.bench.saved_runs import saved_report
from ringbuf.errors import ConfigurationError

SVG = "{http://www.w3.org/2000/svg}"


def run(records: int, keys: int, **p50: float) -> dict[str, Any]:
    """What --json prints, as far as it counts here."""
    rows = [{"name": name, "p50": value, "p99": 2 * value} for name, value in p50.items()]
    return {
        "benchmark": "query",
        "quick": False,
        "machine": {
            **dict.fromkeys(("cpu", "machine", "kernel", "python", "core"), "here"),
            "records": str(records),
            "keys": str(keys),
        },
        "sections": [{"title": "tables", "rows": []}, {"title": f"answers, {records:,} records", "rows": rows}],
    }


def saved(directory: Path, **runs: dict[str, Any]) -> list[Path]:
    files = []
    for name, found in runs.items():
        files.append(directory / f"{name}.json")
        files[-1].write_text(json.dumps(found))
    return files


def test_runs_are_columns_in_the_order_of_their_sizes(tmp_path: Path) -> None:
    large, small = run(250_000_000, 100, floor=1.0, positions=4.0), run(25_000_000, 100, floor=1.0, orders=3.0)
    p50, p99 = saved_report(saved(tmp_path, large=large, small=small)).sections
    names = ["25 M, 100 keys", "250 M, 100 keys"]
    assert [list(row.values()) for row in p50.rows] == [
        ["floor", 1.0, 1.0],
        ["orders", 3.0, None],
        ["positions", None, 4.0],
    ]
    assert [*p50.rows[0]] == ["name", *names]
    assert [*p50.plotted] == names
    assert [row[names[1]] for row in p99.rows] == [2.0, None, 8.0]


def test_saved_runs_are_drawn_and_nothing_is_measured(tmp_path: Path) -> None:
    files = saved(tmp_path, one=run(1_000_000, 100, floor=1.0), other=run(2_000_000, 100, floor=3.0))
    plot = tmp_path / "query.svg"
    options = [option for file in files for option in ("--saved", str(file))]
    result = CliRunner().invoke(bench, ["query", *options, "--plot", str(plot)])
    assert result.exit_code == 0, result.output
    texts = {element.text for element in ElementTree.fromstring(plot.read_text()).iter(f"{SVG}text")}
    assert {"answers by size, p50 [ms]", "1 M, 100 keys", "floor"} <= texts
    assert "answers by size, p99" in result.output


@pytest.mark.parametrize(
    ("options", "finding"),
    [
        (["--records", "39999"], "39999 is not in the range x>=40000"),
        (["--keys", "7"], "'7' is not one of '100', '10000'"),
        (["--saved", "/nowhere/run.json"], "'/nowhere/run.json' does not exist"),
    ],
)
def test_a_size_or_file_that_cannot_be_is_refused(options: list[str], finding: str) -> None:
    result = CliRunner().invoke(bench, ["query", *options])
    assert result.exit_code == 2
    assert finding in result.output


def test_two_runs_of_one_size_are_refused(tmp_path: Path) -> None:
    files = saved(tmp_path, one=run(1_000_000, 100), other=run(1_000_000, 100))
    with pytest.raises(ConfigurationError, match="two of the saved runs have the same size"):
        saved_report(files)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps(run(1, 100) | {"benchmark": "drain"}),
        json.dumps(run(1, 100) | {"sections": []}),
        json.dumps(run(1, 100, floor=1.0)).replace('"p99"', '"p98"'),
        json.dumps(run(1, 100)).replace('"keys": "100"', '"keys": "many"'),
    ],
)
def test_a_file_that_is_no_such_run_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"run\.json is no saved run of this benchmark"):
        saved_report([file])
