"""What the processor and the interpreter demand: the native core or pure Python."""

import platform
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ringbuf import Consumer, Observer, Producer
from ringbuf.errors import ConfigurationError
from ringbuf.ring import native


@pytest.mark.parametrize("open_ring", [Producer.open, Consumer.open, Observer.open])
def test_pure_python_is_refused_where_stores_may_be_seen_out_of_order(
    open_ring: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "CORE", None)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(ConfigurationError, match="processor 'aarch64' may reorder stores"):
        open_ring("mm-btc")


@pytest.mark.skipif(native.CORE is None, reason="the native core is not in use")
def test_with_the_native_core_any_processor_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with Producer.open("mm-btc", capacity=2), Consumer.open("mm-btc") as consumer, Observer.open("mm-btc") as observer:
        assert consumer.head == observer.head == 0


def test_without_the_interpreter_lock_there_is_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(native.PURE_VARIABLE, raising=False)
    monkeypatch.setattr(native, "sys", SimpleNamespace(version_info=(3, 13), _is_gil_enabled=lambda: False))
    assert native._load() is None
