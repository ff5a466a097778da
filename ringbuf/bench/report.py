"""What a benchmark found, as tables, JSON and a plot."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from ringbuf.bench import machine, plot
from ringbuf.errors import ConfigurationError
from ringbuf.tools.output import ABSENT, print_json, print_table

LABEL: Final = "name"
PERCENTILES: Final = {"p999": "p99.9", "p9999": "p99.99"}


@dataclass
class Section:
    """One table.

    Attributes:
        rows: all with the same keys, `name` first; None is absent.
        plotted: keys that the plot shows, all in `unit`.
        note: how to read it.
    """

    title: str
    rows: list[dict[str, Any]]
    plotted: Sequence[str] = ()
    unit: str = ""
    note: str = ""


@dataclass
class Report:
    """Everything one benchmark found.

    Attributes:
        absent: what could not be measured, and why.
        failed: what did not pass its check, and why.
    """

    benchmark: str
    quick: bool
    sections: list[Section] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=machine.describe)

    def publish(self, as_json: bool, file: Path | None) -> None:
        """Print it, draw it, and end with exit code 1 if something failed its check.

        Raises:
            ConfigurationError: the plot cannot be written.
        """
        if file is not None:
            self._draw(file)
        if as_json:
            print_json(asdict(self))
        else:
            self._print()
        if self.failed:
            click.get_current_context().exit(1)

    def _print(self) -> None:
        for name, value in self.machine.items():
            click.echo(f"{title_of(name):<11} {ABSENT if value is None else value}")
        for section in self.sections:
            click.echo(f"\n{section.title}" + (f" [{section.unit}]" if section.unit else ""))
            if section.rows:
                titles = list(section.rows[0])
                rows = [[text_of(row[title]) for title in titles] for row in section.rows]
                print_table([title_of(title) for title in titles], rows, left=[LABEL])
            if section.note:
                click.echo(section.note)
        for title, found in (("not measured", self.absent), ("FAILED", self.failed)):
            for name, reason in found.items():
                click.echo(f"\n{title}: {name}: {reason}")

    def _draw(self, file: Path) -> None:
        drawn = [
            plot.Group(
                section.title,
                section.unit,
                [title_of(key) for key in section.plotted],
                [(row[LABEL], [row[key] for key in section.plotted]) for row in section.rows],
            )
            for section in self.sections
            if section.plotted and section.rows
        ]
        told = ("cpu", "machine", "kernel", "python", "core")
        where = ", ".join([*(self.machine[key] for key in told), *(["a quick run"] if self.quick else [])])
        try:
            file.write_text(plot.draw(f"ringbuf bench {self.benchmark}", where, drawn))
        except OSError as error:
            raise ConfigurationError(f"plot {file} cannot be written: {error}", "choose another file") from error


def title_of(key: str) -> str:
    """A key as the heading of a column."""
    words = key.replace("_per_", "/").replace("_percent", "_%").split("_")
    return " ".join(PERCENTILES.get(word, word) for word in words)


def text_of(value: Any) -> str:
    """A figure with the three digits that mean something, or more if it is a whole number."""
    if value is None:
        return ABSENT
    if not isinstance(value, float):
        return f"{value:,}" if type(value) is int else str(value)
    digits = max(0, 2 - len(f"{abs(value):.0f}") + 1) if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def bench_options(command: Any) -> Any:
    """The options that all benchmarks have."""
    for option in (
        click.option(
            "--plot", "plot_file", type=click.Path(dir_okay=False, path_type=Path), help="Write a plot (SVG)."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON, as docs/BENCHMARKS.md describes it."),
        click.option("--quick", is_flag=True, help="Less of everything: within a minute, and only for a first look."),
    ):
        command = option(command)
    return command
