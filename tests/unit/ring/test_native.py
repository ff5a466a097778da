"""The native core: it does what pure Python does, to the byte, and it is used where it can be."""

import json
import mmap
import os
import shutil
import subprocess
import sys
import sysconfig
import tracemalloc
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ringbuf.record.execution import Flag, Side
from ringbuf.record.fields import BY_NAME, ENUMERATIONS, Given, Kind, names
from ringbuf.ring import layout, native
from ringbuf.strategies.bound_recorder import BOUND as BOUND_TEXTS
from ringbuf.strategies.bound_recorder import BoundRecorder, ExecutionFields
from ringbuf.strategies.native_recorder import native_recorder
from tests.checkout import ROOT
from tests.unit.ring.both_recorders import BOUND, FILL, Both, Text, core, needs_core

SOURCES = ("_native.c", "_recorder.c", "_recorder_new.c", "_lock.c", "_heads.c")
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FIELDS = sorted(ExecutionFields.__optional_keys__)
NUMBERS = names(Kind.NUMBER)
GIVEN_TEXTS = {name: BY_NAME[name].width for name in names(Kind.TEXT, Given.CALL)}

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")


def run(program: str, **environment: str) -> str:
    """Run a Python program in a process of its own; returns what it prints."""
    command = [sys.executable, "-W", "error", "-c", program]
    environ = os.environ | environment
    return subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture
def both() -> Iterator[Both]:
    ring = Both()
    yield ring
    ring.remove()


# Which one runs


@needs_compiler
@pytest.mark.skipif(native.PURE_VARIABLE in os.environ, reason="pure Python was asked for")
def test_the_native_core_is_in_use_where_it_can_be_built() -> None:
    assert native.CORE is not None, "build it: pip install --editable ."


@needs_core
@pytest.mark.parametrize(("value", "is_pure"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_pure_python_can_be_forced(value: str, is_pure: bool) -> None:
    program = (
        "import mmap; from ringbuf import Producer; from ringbuf.ring import native\n"
        "print(native.CORE is None, Producer.__base__.__module__, type(native.cursors(mmap.mmap(-1, 4096))))"
    )
    expected = "True ringbuf.ring.native <class 'memoryview'>" if is_pure else "False ringbuf.ring._native "
    assert run(program, RINGBUF_PURE=value).startswith(expected)


@needs_core
def test_a_native_core_that_cannot_be_loaded_says_so(tmp_path: Path) -> None:
    broken = tmp_path / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    broken.write_bytes(b"not a library")
    program = f"""
import importlib.util, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "ringbuf.ring._native":
            return importlib.util.spec_from_file_location(name, {str(broken)!r})
sys.meta_path.insert(0, Finder())
try:
    from ringbuf import Producer
except Exception as error:
    print(type(error).__name__, error)
"""
    assert run(program, RINGBUF_PURE="").startswith("ConfigurationError the native core cannot be loaded: ")


@needs_compiler
@pytest.mark.parametrize("source", SOURCES)
def test_the_source_compiles_without_a_warning(source: str) -> None:
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Werror"]
    command = [str(COMPILER), *flags, f"-I{sysconfig.get_path('include')}", "-c", "-o", os.devnull]
    command.append(str(ROOT / "ringbuf" / "ring" / source))
    compiled = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert compiled.returncode == 0, compiled.stdout


# The same as pure Python


# The name is equal to that in the source, but another object.
NAMED_AT_RUN_TIME: dict[str, Any] = json.loads('{"order_id": "1"}')
USUAL: list[dict[str, Any]] = [
    *({name: value} for name in NUMBERS for value in (0.5, 3, -(1 << 53), np.float64(0.25), "64000.50", b"-1")),
    *({name: value} for name, kind in ENUMERATIONS.items() for value in ("", kind(1), 1)),
    *({name: value} for name, width in GIVEN_TEXTS.items() for value in ("a" * width, "žluť", "")),
    {"exchange_ns": 1_700_000_000_000_000_000, "received_ns": -1, "exchange_seq": (1 << 63) - 1},
    {"exchange_ns": 1_700_000_000_000, "market_ns": 1_700_000_000, "origin": "simulated"},
    dict.fromkeys(FIELDS),
    NAMED_AT_RUN_TIME,
]


@needs_core
@pytest.mark.parametrize("usual", USUAL, ids=str)
def test_usual_values_are_stored_without_pure_python(both: Both, usual: dict[str, Any]) -> None:
    class Unwilling(BoundRecorder):
        def _append(self, template: list[Any], fields: ExecutionFields) -> int:
            raise AssertionError(f"pure Python was asked for {fields}")

    bound = bytes(sum(BY_NAME[name].width for name in BOUND_TEXTS))
    pure = Unwilling(both.producer, both.recorder.warn, bound, Flag(0))
    recorder = native_recorder(core(), both.producer, pure)
    assert recorder.order(**usual) == 0
    assert recorder.fill(**FILL) == 1
    assert recorder.order_of(usual | BOUND | FILL) == 2


@needs_core
def test_a_call_of_another_shape_is_handed_on_with_its_errors(both: Both) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda recorder: recorder.fill(**FILL, colour="red"),
        lambda recorder: recorder.fill(**FILL, seq=7),
        lambda recorder: recorder.fill(**FILL, **{f"field_{number}": 1 for number in range(100)}),
        lambda recorder: recorder.fill(2500.25),
        lambda recorder: recorder.order("sell", side="buy"),
        lambda recorder: recorder.order(**{"side": "buy", Text("price"): 1.0}) >= 0,
        lambda recorder: recorder.order() >= 0,
        lambda recorder: recorder.order(**BOUND),
        lambda recorder: recorder.order_of(BOUND | {"colour": "red"}),
        lambda recorder: recorder.order_of(BOUND | {"seq": 7}),
        lambda recorder: recorder.order_of(BOUND | {Text("price"): 1.0}) >= 0,
        lambda recorder: recorder.order_of(MappingProxyType(BOUND | FILL)) >= 0,
        lambda recorder: recorder.order_of({}) >= 0,
    ]
    for call in calls:
        outcomes = []
        for recorder in (both.pure, both.native):
            try:
                outcomes.append(str(call(recorder)))
            except TypeError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]


@needs_core
def test_the_floor_of_the_benchmarks_stores_what_a_fill_stores(both: Both) -> None:
    recorder: Any = both.native
    floor: Callable[..., None] = recorder._floor
    with pytest.raises(ValueError, match="another number"):
        floor(1, 2500.25, 0.5)
    fields = FILL | {"order_id": "12345678-9", "exchange_ns": 7, "liquidity": "taker"}
    filled = both.stored(lambda: both.native.fill(**fields))
    assert both.stored(lambda: floor(1, 2500.25, 0.5, "12345678-9", 7, 2)) == filled
    with pytest.raises(ValueError, match="another number"):
        floor(1, 2500.25)


# Memory


@needs_core
def test_recording_leaks_no_memory(both: Both) -> None:
    def record(times: int) -> None:
        for number in range(times):
            both.native.fill(**FILL, order_id=f"o{number}", trade_id="žluť", order_status=b"filled".decode())
            both.native.fill(**FILL, price=number, text="x" * 100, quantity=Decimal(1))
            both.native.fill(**FILL, **NAMED_AT_RUN_TIME)
            both.native.order_of(BOUND | FILL | {"order_id": f"o{number}"})
            both.native.order_of(BOUND | FILL | {"text": "x" * 100})
            if number % 16 == 0:
                both.take()

    record(500)
    references = sys.getrefcount("order_id")
    tracemalloc.start()
    try:
        record(100)
        before, _ = tracemalloc.get_traced_memory()
        record(3000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 3000, "a leak of one byte a call would show"
    assert sys.getrefcount("order_id") - references < 10


@needs_core
def test_a_recorder_goes_away_with_its_last_reference(both: Both) -> None:
    before = sys.getrefcount(both.producer)
    recorders = [both.recorder.bind(**BOUND) for _ in range(10)]
    for recorder in recorders:
        recorder.fill(**FILL, order_status="filled")
    held = sys.getrefcount(both.producer)
    del recorder, recorders
    left = sys.getrefcount(both.producer)
    assert left == before < held


@needs_core
@pytest.mark.parametrize(
    "changed",
    [
        *({"capacity": capacity} for capacity in (128, 3, 0, -2)),
        *({"head": offset} for offset in (layout.HEADER_SIZE, 4, -8)),
        *({"tail": offset} for offset in (layout.HEADER_SIZE, 4, -8)),
        *({"slots": offset} for offset in (-1, 1 << 62)),
        *({"record_size": size} for size in (0, -8, 1 << 40)),
        {"stamps": (1209, 16)},
        *({"rear": offset} for offset in (-8, 8, 1 << 40)),
        {"unclear": (0, 1, 1216, 4)},
        {"complete": (1216, 2, 52, 88, 96)},
        {"order": b""},
        {"float64": int},
        {"fields": {"price": ("f", 1212, 8, None, None)}},
        {"fields": {"price": ("f", 64, 4, None, None)}},
        {"fields": {"text": ("S", 448, 257, None, None)}},
        {"fields": {"side": ("u", 50, 1, {"buy": 256}, Side)}},
        {"fields": {"side": ("x", 50, 1, None, None)}},
        {"fields": {"": ("f", 64, 8, None, None), **{f"f{number}": ("f", 64, 8, None, None) for number in range(64)}}},
    ],
    ids=str,
)
def test_a_layout_that_does_not_fit_is_refused(both: Both, changed: dict[str, Any]) -> None:
    made: list[tuple[Any, dict[str, Any]]] = []
    listening: Any = SimpleNamespace(BoundRecorder=lambda *args, **kwargs: made.append((args, kwargs)))
    native_recorder(listening, both.producer, both.pure)
    ((args, kwargs),) = made
    core().BoundRecorder(*args, **kwargs)
    with pytest.raises(ValueError, match=r"does not fit|cannot be recorded|a template has"):
        core().BoundRecorder(*args, **kwargs | changed)


@needs_core
def test_cursors_are_the_numbers_in_memory() -> None:
    memory = mmap.mmap(-1, layout.HEADER_SIZE)
    numbers = native.cursors(memory)
    last = layout.DESCRIPTOR // 8 - 1
    numbers[0], numbers[last] = 1, (1 << 64) - 1
    assert memory[:8] == (1).to_bytes(8, "little")
    assert memory[last * 8 : layout.DESCRIPTOR] == b"\xff" * 8
    assert numbers[last] == (1 << 64) - 1
    for index in (-1, last + 1, 1 << 70):
        with pytest.raises(IndexError):
            numbers[index]
    for value in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            numbers[0] = value
    assert numbers[0] == 1


@needs_core
def test_cursors_of_read_only_memory_cannot_be_stored() -> None:
    numbers = core().Cursors(bytes(64))
    assert numbers[7] == 0
    with pytest.raises(TypeError):
        numbers[0] = 1
    with pytest.raises(ValueError, match="multiple of 8"):
        core().Cursors(memoryview(bytearray(65))[1:])
    with pytest.raises(TypeError):
        core().Cursors(7)
