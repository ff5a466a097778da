"""The command `ringbuf`: one click group, a file per subcommand, imported only when that subcommand runs.

Exit codes: 0 fine, 1 a problem was found, 2 wrong usage or configuration, 130 ended by Ctrl-C, 141 who read the output
went away. Every error is one line on stderr, `ringbuf: what happened; what to do`.
"""

import difflib
import gc
import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

import click

from ringbuf.errors import ConfigurationError, InvalidName, RingbufError
from ringbuf.tools.interruption import INTERRUPTED, allow_cleaning_up

PROBLEM: Final = 1
USAGE: Final = 2
BROKEN_PIPE: Final = 141
COLLECT_AFTER: Final = 100_000
"""Rows become many objects that are in no cycle. Python looks for cycles after each few hundred of them (700 in 3.11),
which takes nearly half of the time that folding fills takes."""


class Subcommand(NamedTuple):
    """A subcommand that is not imported yet.

    Attributes:
        module: has a function of its name, or `importing` for `import`, which Python keeps for itself.
        summary: what `ringbuf --help` says.
        cleans_up: whether Ctrl-C must let it put something in order. The others end at once.
    """

    module: str
    summary: str
    cleans_up: bool = False


SUBCOMMANDS: Final = {
    "audit": Subcommand("ringbuf.tools.audit", "Prove that the database has every record."),
    "bench": Subcommand("ringbuf.bench.command", "Measure what capture costs.", True),
    "demo": Subcommand("ringbuf.demo.command", "Run two simulated exchanges, strategies and a writer.", True),
    "instruments": Subcommand("ringbuf.tools.instruments", "List instruments, or make some known."),
    "fees": Subcommand("ringbuf.tools.fees", "Show commissions, by day and currency."),
    "fills": Subcommand("ringbuf.tools.fills", "Show fills."),
    "import": Subcommand("ringbuf.tools.importing", "Record saved messages, or try them on an adapter.", True),
    "ls": Subcommand("ringbuf.tools.ls", "List the rings of a namespace."),
    "orders": Subcommand("ringbuf.tools.orders", "Show orders."),
    "positions": Subcommand("ringbuf.tools.positions", "Show positions, now or at a moment."),
    "profit": Subcommand("ringbuf.tools.profit", "Show what positions earned."),
    "rebuild": Subcommand("ringbuf.tools.rebuild", "Derive all orders, fills and sums again."),
    "resend": Subcommand("ringbuf.tools.resend", "Send quarantined records once more."),
    "rm": Subcommand("ringbuf.tools.rm", "Remove a ring."),
    "show": Subcommand("ringbuf.tools.show", "Show everything about one ring."),
    "sql": Subcommand("ringbuf.tools.sql", "Ask the database."),
    "tail": Subcommand("ringbuf.tools.tail", "Print the last records of a ring."),
    "writer": Subcommand("ringbuf.tools.writer", "Run the writer: from the rings into the database."),
}


class Failure(click.ClickException):
    """An error as the user sees it: one line on stderr."""

    exit_code = PROBLEM

    def show(self, file: Any = None) -> None:
        """Print the line."""
        from ringbuf.tools.output import printable  # here and not above: it is slow to import, and few commands fail

        click.echo(f"ringbuf: {printable(' '.join(self.message.split()))}", file=file or sys.stderr)


class Misuse(Failure):
    """Wrong usage or configuration."""

    exit_code = USAGE


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all subcommands."""
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand.

        Raises:
            ConfigurationError: a package it needs is not installed.
        """
        if cmd_name not in SUBCOMMANDS:
            return None
        try:
            module = importlib.import_module(SUBCOMMANDS[cmd_name].module)
            command = getattr(module, "importing" if cmd_name == "import" else cmd_name)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"`ringbuf {cmd_name}` needs the Python package {error.name!r}, which is not installed",
                "pip install 'ringbuf-capture[demo]' has everything",
            ) from error
        assert isinstance(command, click.Command)
        _name_in_environment(command, f"RINGBUF_{cmd_name}")
        if SUBCOMMANDS[cmd_name].cleans_up:
            allow_cleaning_up()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a suggestion for a wrong name."""
        name = args[0]
        if name not in SUBCOMMANDS and not name.startswith("-"):
            close = difflib.get_close_matches(name, SUBCOMMANDS, 1)
            raise click.UsageError(f"no command {name!r}" + (f" (did you mean {close[0]!r}?)" if close else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The subcommands' summaries, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUBCOMMANDS[name].summary) for name in self.list_commands(ctx)])

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """As click's, with errors of one line."""
        with _errors_of_one_line(), _output():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand and turn whatever ends it into an exit code."""
        with _errors_of_one_line(), _output():
            try:
                result = super().invoke(ctx)
                sys.stdout.flush()
            except KeyboardInterrupt:
                ctx.exit(INTERRUPTED)
            return result


def _name_in_environment(command: click.Command, path: str) -> None:
    """Call its options in the environment as they are spelled; click would call them as their parameters in Python."""
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar is None:
            spelled = max(option.opts, key=len).lstrip("-")
            option.envvar = f"{path}_{spelled}".replace("-", "_").upper()
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            _name_in_environment(each, f"{path}_{name}")


@contextmanager
def _output() -> Iterator[None]:
    """A stdout that takes all, or says why not."""
    stdout: Any = sys.stdout
    if stdout is None:  # closed by who started this
        sys.stdout = io.TextIOWrapper(io.BytesIO())
    elif isinstance(stdout, io.TextIOWrapper) and isinstance(stdout.buffer, io.RawIOBase):
        # PYTHONUNBUFFERED: a write takes a part if that is all there is room for, and nobody looks.
        buffered: Any = io.BufferedWriter(stdout.buffer)
        sys.stdout = io.TextIOWrapper(buffered, stdout.encoding, "backslashreplace", line_buffering=True)
    elif isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # no terminal's encoding may turn data into a traceback
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            sys.stdout.flush()
        if stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())  # for the flush at exit
        if isinstance(error, BrokenPipeError):
            raise click.exceptions.Exit(BROKEN_PIPE) from error
        raise Failure(f"the operating system refuses it: {error}") from error


@contextmanager
def _errors_of_one_line() -> Iterator[None]:
    try:
        yield
    except RingbufError as error:
        raise (Misuse if isinstance(error, ConfigurationError | InvalidName) else Failure)(str(error)) from error
    except click.UsageError as error:
        message = error.format_message().rstrip(".")
        path = error.ctx.command_path if error.ctx is not None else "ringbuf"
        raise Misuse(f"{message[:1].lower()}{message[1:]}; see `{path} --help`") from error


def _print_version(ctx: click.Context) -> None:
    # Here and not above: most subcommands open no ring, and need nothing of what a ring needs.
    from importlib import metadata

    from ringbuf.ring import native

    active = "pure Python" if native.CORE is None else "native core"
    click.echo(f"ringbuf {metadata.version('ringbuf-capture')}, {active}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RINGBUF"},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    allow_from_autoenv=False,  # RINGBUF_VERSION may be anybody's
    callback=lambda ctx, _, is_asked: _print_version(ctx) if is_asked else None,
    help="Show the version and exit.",
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Look into what ringbuf captures, and prove that nothing is lost.

    Rings are those of the namespace in RINGBUF_NAMESPACE, by default `default`.
    """
    gc.set_threshold(COLLECT_AFTER)
    if os.environ.get("NO_COLOR"):
        ctx.color = False  # rich knows the variable, click does not
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        ctx.exit(USAGE)


if __name__ == "__main__":
    main()
