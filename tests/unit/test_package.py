"""What is installed, and which part may import which."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.checkout import ROOT

CORE = "ringbuf"
PARTS = ("writer", "strategies", "tools")
NOT_IN_A_STRATEGY = {
    "ccxt",
    "chdb",
    "click",
    "clickhouse_connect",
    "nautilus_trader",
    "prometheus_client",
    "rich",
    "websockets",
}
ADAPTERS = [CORE, "strategies", "adapters"]
MAX_LINES = 400
NOT_IN_GIT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "*.so", "build", "dist")
NATIVE_CORE = f"{CORE}/ring/_native{sysconfig.get_config_var('EXT_SUFFIX')}"
HAS_COMPILER = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
DATA = {f"{CORE}/py.typed", f"{CORE}/conformance/cases.json"}
NO_NOUN = re.compile(r"(^|_)(util|common|helper|manager)s?(_|$)")


def sources() -> dict[str, Path]:
    """Every Python file that is to be installed, by its path in the wheel."""
    own = [path for path in (ROOT / CORE).rglob("*.py") if path.relative_to(ROOT / CORE).parts[0] not in PARTS]
    found = {str(path.relative_to(ROOT)): path for path in own}
    for part in PARTS:
        found |= {f"{CORE}/{path.relative_to(ROOT)}": path for path in (ROOT / part).rglob("*.py")}
    return found


def module_name(installed: str) -> str:
    return installed.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


SOURCES = sources()
MODULES = {module_name(installed): path for installed, path in SOURCES.items()}
MAY_IMPORT = {
    "errors": (),
    "record": (),
    "ring": ("record",),
    "journal": ("record",),
    "state": ("journal", "record"),
    "trading": ("record",),
    "instruments": ("record", "ring", "trading"),
    "sinks": ("record", "trading"),
    "ringbuf": ("record", "ring"),
    "adapters": ("record", "trading"),
    "strategies": ("record", "ring", "trading"),
    "conformance": ("adapters", "record", "strategies", "trading"),
    "writer": ("journal", "record", "ring", "sinks", "state", "trading"),
    "query": ("record", "sinks", "state", "trading"),
    "audit": ("journal", "query", "record", "ring", "sinks", "state"),
    "launch": ("ring", "state"),
    "tools": (
        "adapters",
        "audit",
        "conformance",
        "instruments",
        "query",
        "record",
        "ring",
        "sinks",
        "state",
        "strategies",
        "trading",
        "writer",
    ),
    "demo": ("audit", "launch", "query", "record", "ring", "state", "strategies", "tools"),
    "bench": (
        "adapters",
        "journal",
        "launch",
        "query",
        "record",
        "ring",
        "sinks",
        "state",
        "strategies",
        "tools",
        "trading",
        "writer",
    ),
}
"""Which rooms a room may import. Arrows go down, nothing imports `bench` and `demo`, and `errors` is free to all."""


def build(directory: Path, *options: str, **environment: str) -> Path:
    """Build the wheel from a copy of what git would give."""
    copy = directory / "copy"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=NOT_IN_GIT)
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(copy / "dist"), str(copy)]
    environ = os.environ | environment
    built = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout
    (found,) = (copy / "dist").glob("*.whl")
    return found


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built through the source distribution as a release is."""
    return build(tmp_path_factory.mktemp("package"))


def test_the_wheel_holds_every_module_under_ringbuf_and_nothing_else(wheel: Path) -> None:
    native_core = {NATIVE_CORE} if HAS_COMPILER else set()
    assert contents(wheel) == {*SOURCES, *DATA} | native_core


def test_the_wheel_lacks_only_the_native_core_where_that_cannot_be_compiled(tmp_path: Path) -> None:
    wheel = build(tmp_path, "--wheel", CC="false")
    assert contents(wheel) == {*SOURCES, *DATA}
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    # An editable installation would give the module that is missing here.
    program = (
        "import sys; sys.meta_path[:] = [each for each in sys.meta_path if 'editable' not in repr(each)]\n"
        "import ringbuf.strategies; from ringbuf.ring import native; print(native.__file__, native.CORE)"
    )
    environ = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-W", "error", "-c", program]
    run = subprocess.run(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    assert run.stdout == f"{tmp_path}/installed/ringbuf/ring/native.py None\n"


def test_a_release_is_tested_with_every_source_of_the_native_core() -> None:
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / CORE / "ring").glob("*.[ch]")}
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]
    assert {each for each in options["test-sources"] if each != "tests"} == sources
    for named in " ".join(options["test-command"]).split():
        assert not named.startswith("tests/") or (ROOT / named).exists()


def test_the_wheel_carries_license_and_command(wheel: Path) -> None:
    info = "ringbuf_capture-0.1.0.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert b"ringbuf = ringbuf.tools.entry:main" in archive.read(f"{info}/entry_points.txt")


def test_every_module_can_be_imported_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    modules = [name for name in MODULES if not name.endswith("__main__")]
    program = (
        "import importlib, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]:\n"
        "    print(name, importlib.import_module(name).__file__)\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path), *modules]
    run = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.returncode == 0, run.stdout
    imported = dict(line.split(" ", 1) for line in run.stdout.splitlines())
    assert imported.keys() == set(modules)
    assert all(Path(file).is_relative_to(tmp_path) for file in imported.values()), run.stdout


def test_the_package_has_every_name_it_lists_and_no_other() -> None:
    program = (
        "import sys, ringbuf; assert 'numpy' not in sys.modules; "
        "assert all(hasattr(ringbuf, name) for name in ringbuf.__all__); print(hasattr(ringbuf, 'nonsense'))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize("module", ["ringbuf", "ringbuf.strategies", "ringbuf.strategies.adapters.nautilus"])
def test_a_strategy_imports_no_database_and_no_terminal(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert NOT_IN_A_STRATEGY.isdisjoint(loaded.stdout.split())


def room_of(module: str) -> str:
    """The room a module belongs to: the name behind `ringbuf.`; for the package itself, `ringbuf`."""
    names = module.split(".")
    if names[: len(ADAPTERS)] == ADAPTERS:
        return ADAPTERS[-1]  # a room inside another one, which may import less
    return names[1] if len(names) > 1 else CORE


def imports(module: str, path: Path) -> Iterator[str]:
    """The absolute names of all that a module imports, at any depth of its code."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, node.module] if node.module else base)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def module_of(imported: str) -> str:
    """The module that an imported name is, or is in."""
    return imported if imported in MODULES else imported.rpartition(".")[0]


@cache
def arrows() -> dict[str, set[str]]:
    """For each module the modules of the package that it imports, also under TYPE_CHECKING and inside functions."""
    return {
        module: {module_of(each) for each in imports(module, path) if each.partition(".")[0] == CORE} - {module}
        for module, path in MODULES.items()
    }


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    room = room_of(module)
    allowed = {room, "errors", *MAY_IMPORT[room]}
    for imported in sorted(arrows()[module]):
        assert room_of(imported) in allowed, f"{module} imports {imported}: {room} is not above {room_of(imported)}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_folder_is_imported_under_the_package(module: str) -> None:
    for imported in imports(module, MODULES[module]):
        assert imported.partition(".")[0] not in PARTS, f"{module} imports {imported}: write ringbuf.{imported}"


def test_the_rooms_are_layers_without_a_circle() -> None:
    order = list(TopologicalSorter(MAY_IMPORT).static_order())  # raises CycleError
    assert {*order} == {room_of(module) for module in MODULES} | {"errors"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module: {each for each in imported if MODULES[each].name != "__init__.py"}
        for module, imported in arrows().items()
        if MODULES[module].name != "__init__.py"
    }
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize(
    ("module", "code", "imported"),
    [
        ("ringbuf.ring.producer", "from ringbuf.ring import layout", "ringbuf.ring.layout"),
        ("ringbuf.writer.load.loader", "from .batch import Batch", "ringbuf.writer.load.batch.Batch"),
        ("ringbuf.writer.load.loader", "from . import batch", "ringbuf.writer.load.batch"),
        ("ringbuf.writer.load.loader", "from ..worker import Worker", "ringbuf.writer.worker.Worker"),
        ("ringbuf.writer.drain.drain", "def f():\n    import tools.cli", "tools.cli"),
    ],
)
def test_imports_are_found_however_they_are_written(module: str, code: str, imported: str, tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text(code)
    assert list(imports(module, source)) == [imported]


@pytest.mark.parametrize(
    "path", sorted([*SOURCES.values(), *(ROOT / "tests").rglob("*.py")]), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_file_is_one_noun_and_short(path: Path) -> None:
    assert not NO_NOUN.search(path.stem), "a file is called after what it holds"
    assert len(path.read_text().splitlines()) < MAX_LINES
