"""The command itself: its help and its documentation, its errors, and what it imports."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from ringbuf.ring import native
from ringbuf.tools.cli import SUBCOMMANDS, main
from tests.checkout import ROOT

DOCUMENT = (ROOT / "docs" / "TOOL.md").read_text()


def subcommand(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def section(name: str) -> str:
    """What docs/TOOL.md says about a subcommand."""
    parts = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
    (found,) = (part for part in parts if part.startswith(f"`ringbuf {name}"))
    return found


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_and_every_option_has_help_and_is_documented(name: str) -> None:
    command = subcommand(name)
    assert command.name == name
    assert command.help
    for parameter in command.params:
        described = section(name)
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} has no help"
            for spelling in parameter.opts:
                assert re.search(rf"(?<![\w-]){spelling}(?![\w-])", described), f"{spelling} is not documented"
        else:
            assert str(parameter.name).upper() in described


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_no_option_is_documented_that_does_not_exist(name: str) -> None:
    options = {spelling for parameter in subcommand(name).params for spelling in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)`", section(name))) <= options


def test_the_document_has_no_subcommand_that_does_not_exist() -> None:
    assert sorted(re.findall(r"^## `ringbuf (\w+)", DOCUMENT, flags=re.MULTILINE)) == sorted(SUBCOMMANDS)


def test_help_lists_every_subcommand_without_importing_any() -> None:
    program = "import sys; from ringbuf.tools.cli import main; main(['--help'], standalone_mode=False); "
    program += "print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    *help_lines, modules = run.stdout.splitlines()
    for name, command in SUBCOMMANDS.items():
        assert any(line.split(None, 1) == [name, command.summary] for line in help_lines), name
        assert command.module not in modules.split()


def test_no_summary_of_a_benchmark_is_cut_short() -> None:
    shown = CliRunner().invoke(main, ["bench", "--help"], terminal_width=80).stdout.partition("Commands:")[2]
    assert "append " in shown and "..." not in shown


@pytest.mark.parametrize("arguments", [["ls"], ["show", "--help"], ["tail", "--help"], ["rm", "--help"]])
def test_looking_at_rings_imports_no_database_client_and_no_demo(arguments: list[str]) -> None:
    program = f"import sys; from ringbuf.tools.cli import main; main({arguments}, standalone_mode=False); "
    program += "print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert {"clickhouse_connect", "chdb", "websockets"}.isdisjoint(run.stdout.splitlines()[-1].split())


def test_asking_in_sql_imports_nothing_that_is_slow_to_import() -> None:
    program = "import sys; from ringbuf.tools.cli import main; main(['sql', '--help'], standalone_mode=False); "
    program += "print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert {"numpy", "clickhouse_connect", "chdb"}.isdisjoint(run.stdout.splitlines()[-1].split())


def test_without_a_subcommand_there_is_help_and_a_usage_exit_code() -> None:
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 2
    assert result.stdout.startswith("Usage: ")


def test_the_version_is_that_of_the_distribution_and_names_the_implementation() -> None:
    command = [sys.executable, "-m", "ringbuf.tools.cli", "--version"]
    active = "pure Python" if native.CORE is None else "native core"
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"ringbuf 0.1.0, {active}\n"
    pure = {**os.environ, native.PURE_VARIABLE: "1"}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=pure)
    assert answer.stdout == "ringbuf 0.1.0, pure Python\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lss"], "ringbuf: no command 'lss' (did you mean 'ls'?); see `main --help`\n"),
        (["ls", "--jsn"], "--jsn"),
        (["--bogus"], "--bogus"),
        (["show"], "ringbuf: missing argument 'NAME'; see `main show --help`\n"),
        (["ls", "extra"], "extra"),
        (["tail", "x", "-n", "-1"], "-1"),
        (["audit"], "--data-dir"),
        (["sql", "SELECT 1", "--data-dir", "/nowhere/at/all"], "/nowhere/at/all"),
        (["writer", "--data-dir", "x", "--retain-gb", "nan"], "'nan' is no number"),
        (["writer", "--data-dir", "x", "--sync-ms", "soon"], "'--sync-ms': 'soon' is not a valid number"),
        (["writer", "--data-dir", "x", "--stop-timeout", "inf"], "'--stop-timeout': inf is not in the range"),
        (["writer", "--data-dir", "x", "--sync-ms", "1e13"], "'--sync-ms': 10000000000000.0 is not in the range"),
        (["profit", "--data-dir", "/", "--mark", "=5"], "'--mark': '=5' is no mark; give SYMBOL=PRICE"),
        (["show", "../etc/passwd"], "ringbuf: ring name '../etc/passwd' cannot be used; "),
    ],
)
def test_wrong_usage_is_one_line_on_stderr_and_exit_code_2(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("ringbuf: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_a_wrong_namespace_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBUF_NAMESPACE", "a/b")
    result = CliRunner().invoke(main, ["ls"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("ringbuf: namespace 'a/b' cannot be used; ")


def test_a_directory_without_a_writer_is_wrong_usage(tmp_path: Path) -> None:
    for arguments in (["audit"], ["sql", "SELECT 1"]):
        result = CliRunner().invoke(main, [*arguments, "--data-dir", str(tmp_path)])
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"ringbuf: {tmp_path} is no data directory of a writer")


def test_an_error_cannot_steer_the_terminal(tmp_path: Path) -> None:
    directory = tmp_path / "x\x1b[2Jy"
    directory.mkdir()
    assert (
        r"/x\x1b[2Jy is no data directory" in CliRunner().invoke(main, ["audit", "--data-dir", str(directory)]).stderr
    )


@pytest.mark.parametrize(("no_color", "printed"), [("", "\x1b[32mproven\x1b[0m\n"), ("1", "proven\n")])
def test_no_color_switches_colours_off(no_color: str, printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("coloured")
    vars(module)["ls"] = click.Command("ls", callback=lambda: click.secho("proven", fg="green"))
    monkeypatch.setitem(sys.modules, "coloured", module)
    monkeypatch.setitem(SUBCOMMANDS, "ls", SUBCOMMANDS["ls"]._replace(module="coloured"))
    monkeypatch.setenv("NO_COLOR", no_color)
    assert CliRunner().invoke(main, ["ls"], color=True).stdout == printed


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SUBCOMMANDS, "ls", SUBCOMMANDS["ls"]._replace(module="package_not_there"))
    result = CliRunner().invoke(main, ["ls"])
    assert result.exit_code == 2
    assert "needs the Python package 'package_not_there'" in result.stderr
    assert "pip install 'ringbuf-capture[demo]'" in result.stderr


def test_options_can_be_given_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGBUF_AUDIT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RINGBUF_VERSION", "1")
    monkeypatch.setenv("RINGBUF_WRITER_FLUSH_MS", "many")
    assert f"{tmp_path} is no data directory" in CliRunner().invoke(main, ["audit"]).stderr
    assert "'--flush-ms': 'many'" in CliRunner().invoke(main, ["writer", "--data-dir", str(tmp_path)]).stderr


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_option_has_its_own_name_in_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command = subcommand(name)
    prefix = f"RINGBUF_{name.upper()}"
    context = click.Context(command, auto_envvar_prefix=prefix)
    for option in (each for each in command.params if isinstance(each, click.Option)):
        (spelled,) = (each for each in option.opts if each.startswith("--"))
        monkeypatch.setenv(prefix + spelled[1:].replace("-", "_").upper(), "1")
        assert option.value_from_envvar(context), spelled


@pytest.mark.parametrize("name", ["RINGBUF_DATA_DIR", "RINGBUF_WRITER_DATA_DIR"])
def test_one_variable_of_the_environment_is_the_directory_of_the_writer_and_of_all_that_ask_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(name, str(tmp_path / "file"))
    assert "'--data-dir': Directory" in CliRunner().invoke(main, ["writer"]).stderr


@pytest.mark.parametrize("statement", ["KILL QUERY WHERE 1", " -- all\n/* of\nthem */ kill mutation WHERE 1"])
def test_a_statement_that_ends_others_is_refused_though_the_server_would_let_who_only_reads(
    statement: str, tmp_path: Path
) -> None:
    refused = CliRunner().invoke(main, ["sql", statement, "--data-dir", str(tmp_path)])
    assert refused.exit_code == 2
    assert "the statement ends others, and this command only reads" in refused.stderr
