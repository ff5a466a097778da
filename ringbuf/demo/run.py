"""One run of the demo: it starts everything, watches it, gives the verdict, and leaves nothing behind."""

import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from rich.console import Console
from rich.text import Text

from ringbuf.demo.kills import Kills
from ringbuf.demo.market import EXCHANGES
from ringbuf.demo.monitor import Figures, Monitor
from ringbuf.demo.report import Report
from ringbuf.demo.result import StrategyResult, strategy_name
from ringbuf.demo.verdict import Verdict, judge
from ringbuf.demo.view import TRADING, View
from ringbuf.demo.writer_supervisor import WriterSupervisor
from ringbuf.errors import ConfigurationError, SinkError
from ringbuf.launch.child_process import ChildProcess, module
from ringbuf.launch.workspace import Workspace
from ringbuf.query.database import Database, ask_writer
from ringbuf.ring import registry
from ringbuf.state import status
from ringbuf.state.data_directory import DataDirectory

EXCHANGE: Final = "ringbuf.demo.exchange"
STRATEGIES: Final = "ringbuf.demo.strategy_processes"

OUTAGE_SECONDS: Final = 25.0
"""How long the rings hold without a writer."""

MIN_CAPACITY: Final = 512
MAX_CAPACITY: Final = 65_536
PAUSE_SECONDS: Final = 0.1
LOG_LINES: Final = 20
STUCK_SECONDS: Final = 30.0
"""How long to wait for the database while it takes nothing."""


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    strategies: int
    rate: float
    seconds: float
    clickhouse: str | None
    database: str
    data_dir: Path | None
    seed: int

    @property
    def capacity(self) -> int:
        """Records each ring holds, a power of two."""
        wanted = min(max(self.rate / self.strategies * OUTAGE_SECONDS, MIN_CAPACITY), MAX_CAPACITY)
        return 1 << (int(wanted) - 1).bit_length()

    @property
    def title(self) -> str:
        """The demo in one line."""
        return f"ringbuf demo: {self.strategies} strategies, 2 exchanges, {self.rate:g} records/s, {self.seconds:g} s"


class Interruption:
    """Ctrl-C, SIGTERM and SIGHUP end the demo at its next pause, never while something is being started or ended."""

    SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._noted = False

    def __enter__(self) -> Self:
        self._previous = {each: signal.signal(each, self._note) for each in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._previous.items():
            signal.signal(each, handler)

    def pause(self, seconds: float = PAUSE_SECONDS) -> None:
        """Sleep.

        Raises:
            KeyboardInterrupt: the demo is to end.
        """
        time.sleep(seconds)
        if self._noted:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = True


def run(options: Options, console: Console) -> tuple[Verdict, Figures]:
    """Run the demo; when this returns or raises, its processes, rings and temporary files are gone.

    Raises:
        KeyboardInterrupt: it was told to end.
        RingbufError: something could not be started, or failed.
    """
    namespace = os.environ.get(registry.NAMESPACE_VARIABLE) or f"demo-{os.getpid()}"
    if registry.ring_names(namespace):
        raise ConfigurationError(
            f"namespace {namespace!r} has rings already, which the demo would take for its own",
            f"unset {registry.NAMESPACE_VARIABLE}: then the demo has a namespace to itself",
        )
    names = [strategy_name(number) for number in range(1, options.strategies + 1)]
    with (
        Interruption() as interruption,
        Workspace.temporary("demo", namespace=namespace, rings=names) as work,
        ExitStack() as stack,
    ):
        return Run(options, console, work, names, interruption).run(stack)


class Run:
    """One demo, from its first process to its verdict."""

    def __init__(
        self, options: Options, console: Console, work: Workspace, names: list[str], interruption: Interruption
    ) -> None:
        self._options = options
        self._console = console
        self._namespace = work.namespace
        self._work = work.directory
        self._pause = interruption.pause
        self._data_dir = options.data_dir or self._work / "data"
        self._account = f"demo-{secrets.token_hex(3)}"
        self._names = names
        self._kills = Kills(options.seconds)

    def run(self, stack: ExitStack) -> tuple[Verdict, Figures]:
        """Run it; what has been started is ended when the stack unwinds."""
        self._introduce()
        writer = self._start_writer(stack)
        ports = self._start_exchanges(stack)
        while not writer.check_started():
            self._pause()
        monitor = Monitor(self._names, self._namespace, self._data_dir, writer)
        stack.callback(monitor.close)
        since = datetime.now(UTC)
        with View(self._console, self._options.seconds) as view:
            self._trade(stack, ports, view, monitor, writer)
            figures = self._wait_until_stored(view, monitor, writer)
        database = Database(self._options.database, lambda statement: [self._ask(writer, statement)])
        results = StrategyResult.read_all(self._results)
        verdict = judge(results, self._account, since, self._data_dir, self._namespace, database)
        report = Report(self._console, database, self._account, since)
        report.examples()
        report.troubles(verdict, figures)
        report.agreement(verdict)
        report.audit(verdict)
        report.verdict(verdict, figures, self._kills.before)
        if not verdict.is_good:
            self._console.print(Text("The writer's log ends with:\n" + writer.last_lines(LOG_LINES)), soft_wrap=True)
        return verdict, figures

    @property
    def _results(self) -> Path:
        return self._work / "results"

    def _introduce(self) -> None:
        kept = "is kept" if self._options.data_dir else "is removed; --data-dir DIR keeps one"
        command = "ringbuf" if shutil.which("ringbuf") else sys.argv[0]
        for line in (
            Text(self._options.title, style="bold cyan"),
            Text("  Strategies make markets on sim-perp and hedge on sim-spot. Both exchanges"),
            Text("  lose, delay, repeat and reorder messages, and cut connections; a strategy and"),
            Text("  the writer are killed. In the end all must agree on what was traded."),
            Text(f"  data: {self._data_dir} ({kept})"),
            Text("  look on from another terminal:"),
            Text(f"    export RINGBUF_NAMESPACE={self._namespace}"),
            Text(f"    {command} ls; {command} tail -f {self._names[0]}"),
        ):
            self._console.print(line, soft_wrap=True)

    def _start_writer(self, stack: ExitStack) -> WriterSupervisor:
        options = ["--database", self._options.database]
        if self._options.clickhouse is not None:
            options += ["--clickhouse", self._options.clickhouse]
        log_file = self._work / "writer.log"
        writer = WriterSupervisor(self._data_dir, *options, namespace=self._namespace, log_file=log_file)
        stack.callback(writer.stop, others=self._options.data_dir is None)
        return writer

    def _start_exchanges(self, stack: ExitStack) -> list[int]:
        """Start the exchanges; returns their ports, in the order of `EXCHANGES`."""
        started = []
        for name in EXCHANGES:
            arguments = {
                "--name": name,
                "--clients": self._options.strategies,
                "--seconds": self._options.seconds,
                "--seed": self._options.seed,
            }
            started.append(self._start(stack, EXCHANGE, arguments, answers=True))
        return [int(json.loads(each.first_line())["port"]) for each in started]

    def _start(
        self, stack: ExitStack, name: str, arguments: Mapping[str, object], *, answers: bool = False
    ) -> ChildProcess:
        texts = [str(each) for argument in arguments.items() for each in argument]
        environment = {registry.NAMESPACE_VARIABLE: self._namespace}
        log = self._work / f"{name}.log"
        process = ChildProcess(name, module(name, *texts), log, environment=environment, answers=answers)
        stack.callback(process.end)
        return process

    def _trade(
        self, stack: ExitStack, ports: list[int], view: View, monitor: Monitor, writer: WriterSupervisor
    ) -> None:
        """Run the strategies to their end."""
        self._results.mkdir()
        arguments = {
            "--strategies": self._options.strategies,
            "--maker-port": ports[0],
            "--hedge-port": ports[1],
            "--account": self._account,
            "--rate": self._options.rate,
            "--seconds": self._options.seconds,
            "--capacity": self._options.capacity,
            "--seed": self._options.seed,
            "--data-dir": self._data_dir,
            "--results": self._results,
            "--ids": self._work / "ids",
        }
        strategies, kills = self._start(stack, STRATEGIES, arguments), self._kills
        while strategies.exit_code is None:
            figures = monitor.figures()
            view.show(TRADING, figures)
            if done := kills.look(figures):
                view.note(done, figures)
            writer.watch()
            self._pause()
        if strategies.exit_code != 0:
            raise strategies.failure("failed")

    def _wait_until_stored(self, view: View, monitor: Monitor, writer: WriterSupervisor) -> Figures:
        """Wait until the database has everything and the writer has derived it and said so, or takes no more."""
        figures, news, all_stored_ns = monitor.figures(), time.monotonic(), 0
        while time.monotonic() < news + STUCK_SECONDS:
            if figures.stored >= figures.captured:
                all_stored_ns = all_stored_ns or time.time_ns()
                said = status.read(DataDirectory(self._data_dir).status)
                if said and said["updated_ns"] > all_stored_ns and _is_derived(said):
                    break
            view.show("storing the rest", figures)
            writer.watch()
            self._pause()
            before, figures = figures, monitor.figures()
            if figures.stored != before.stored:
                news = time.monotonic()
        figures = monitor.figures()
        view.show("all stored" if figures.stored >= figures.captured else "the database takes no more", figures)
        return figures

    def _ask(self, writer: WriterSupervisor, statement: str) -> bytes:
        """Ask the database through the writer; if that is killed meanwhile, through the next one."""
        deadline = time.monotonic() + STUCK_SECONDS
        while True:
            try:
                return ask_writer(self._data_dir, statement)
            except (OSError, SinkError):
                if writer.is_running or time.monotonic() > deadline:
                    raise
            writer.watch()
            self._pause()


def _is_derived(said: dict[str, Any]) -> bool:
    """Whether a writer says that all is acknowledged, so that it knows of it, and that nothing is left to derive."""
    journal = said["journal"]
    return bool(journal["checkpoint"] == journal["durable"]) and not said["derivation"]["behind"]
