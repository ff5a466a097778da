"""What is shown while the demo runs: a live picture on a terminal, a line a second elsewhere."""

from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ringbuf.demo.monitor import Figures

TRADING: Final = "trading"
LINE_SECONDS: Final = 1.0
_WIDTH: Final = 78


class View:
    """Shows the figures as they change.

    Args:
        seconds: how long the strategies trade.
    """

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._live = (
            Live(console=console, auto_refresh=False) if console.is_terminal and not console.is_dumb_terminal else None
        )
        self._next_line = 0.0
        self._phase = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, phase: str, figures: Figures) -> None:
        """Show the figures of this moment; to be called several times a second."""
        if self._live is not None:
            self._live.update(self._picture(phase, figures), refresh=True)
        elif figures.seconds >= self._next_line or phase != self._phase:
            self._next_line, self._phase = figures.seconds + LINE_SECONDS, phase
            self._console.print(_line(phase, figures), soft_wrap=True)

    def note(self, text: str, figures: Figures) -> None:
        """Show that something has happened."""
        self._console.print(Text(f"{figures.seconds:5.1f} s  {text}", style="yellow"), soft_wrap=True)

    def _picture(self, phase: str, figures: Figures) -> Panel:
        done = min(figures.seconds, self._seconds)
        head = Table.grid(expand=True, padding=(0, 2))
        head.add_column()
        head.add_column(justify="center", ratio=1)
        head.add_column(justify="right")
        bar = ProgressBar(total=self._seconds, completed=done, width=30)
        head.add_row(Text(phase, style="bold"), bar, f"{done:.1f} of {self._seconds:g} s")
        rows: list[RenderableType] = [head, Text(), _flow(figures), Text(), _processes(phase, figures)]
        if figures.problem:
            rows.append(Text(f"database: {figures.problem}", style="yellow", no_wrap=True, overflow="ellipsis"))
        return Panel(Group(*rows), width=min(_WIDTH, self._console.width), padding=(1, 2))


def milliseconds(value: float | None) -> str:
    """A latency, as text."""
    return "-" if value is None else f"{value:,.0f} ms"


def _flow(figures: Figures) -> Table:
    """The stages of a record, and how many records have reached each."""
    flow = Table.grid(expand=True)
    for _ in range(7):
        flow.add_column(justify="center")
    arrow = Text("──▶", style="dim")
    flow.add_row("strategies", arrow, "rings", arrow, "journal", arrow, "ClickHouse", style="cyan")
    flow.add_row(
        *(Text(each, style="dim") for each in ("captured", "", "lag", "", "journaled", "", "stored")),
    )
    numbers = (figures.captured, figures.lag, figures.journaled, figures.stored)
    cells = [Text(f"{number:,}", style="bold green") for number in numbers]
    flow.add_row(cells[0], "", cells[1], "", cells[2], "", cells[3])
    return flow


def _processes(phase: str, figures: Figures) -> Table:
    lines = Table.grid(padding=(0, 2))
    lines.add_row(
        Text("fill to stored", style="dim"),
        f"p50 [bold]{milliseconds(figures.p50)}[/]   p99 [bold]{milliseconds(figures.p99)}[/]",
    )
    if figures.writer_pid is None:
        process = Text("dead, is being started again", style="bold red")
    else:
        process = Text.from_markup(f"process [bold]{figures.writer_pid}[/], restarts {figures.restarts}")
        if phase == TRADING:
            process.append(f"      try: kill -9 {figures.writer_pid}", style="dim")
    lines.add_row(Text("writer", style="dim"), process)
    strategies = Text(f"restarts {figures.strategy_restarts}")
    if phase == TRADING and figures.strategies:
        pid = list(figures.strategies.values())[-1]
        strategies = Text.from_markup(f"process [bold]{pid}[/], restarts {figures.strategy_restarts}")
        strategies.append(f"      try: kill -9 {pid}", style="dim")
    lines.add_row(Text("a strategy" if phase == TRADING else "strategies", style="dim"), strategies)
    if figures.dropped:
        lines.add_row(Text("dropped", style="bold red"), f"{figures.dropped:,} records found a ring full")
    return lines


def _line(phase: str, figures: Figures) -> str:
    return (
        f"{figures.seconds:5.1f} s  {phase}: captured {figures.captured:,}, lag {figures.lag:,}, "
        f"journaled {figures.journaled:,}, stored {figures.stored:,}, "
        f"fill to stored p50 {milliseconds(figures.p50)}, p99 {milliseconds(figures.p99)}, "
        f"writer {figures.writer_pid or 'dead'}, restarts {figures.restarts}"
        + (f", dropped {figures.dropped:,}" if figures.dropped else "")
        + (f", database: {figures.problem}" if figures.problem else "")
    )
