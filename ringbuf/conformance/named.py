"""Adapters by name: those of `ringbuf.strategies.adapters`, or `module:object` of the user's own."""

import importlib
import inspect
import os
import pkgutil
import sys
from types import ModuleType
from typing import Any

from ringbuf.errors import ConfigurationError
from ringbuf.strategies import adapters
from ringbuf.strategies.adapters.adapter import Adapter

_ROOM = adapters.__name__


def named_adapter(name: str) -> Any:
    """What `maker` takes.

    Args:
        name: a module of that room, as `ccxt`; or `module:object`, where the module may be in the working directory.

    Raises:
        ConfigurationError: there is none of this name, or its module cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    if attribute:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return _attribute(_imported(module_name), attribute)
    found = _classes(_own(module_name))
    if len(found) != 1:
        several = " or ".join(f"{_ROOM}.{module_name}:{each}" for each in sorted(found))
        raise ConfigurationError(f"{module_name} has {len(found)} adapters", f"name {several or 'another module'}")
    return next(iter(found.values()))


def adapter_names() -> list[str]:
    """Names of the modules that have an adapter, as far as the packages they need are installed."""
    found = []
    for name in _modules():
        try:
            if _classes(importlib.import_module(f"{_ROOM}.{name}")):
                found.append(name)
        except ImportError:
            continue
    return sorted(found)


def _modules() -> list[str]:
    return [each.name for each in pkgutil.iter_modules(adapters.__path__)]


def _own(name: str) -> ModuleType:
    if name not in _modules():
        raise ConfigurationError(
            f"there is no adapter {name!r}", f"give one of {', '.join(adapter_names())}, or module:object of your own"
        )
    return _imported(f"{_ROOM}.{name}")


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # a module of the user's own may raise anything
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise ConfigurationError(
            f"{name!r} cannot be imported: {kind}{error}", "install what it needs, or name another"
        ) from error


def _classes(module: ModuleType) -> dict[str, Any]:
    return {
        name: each
        for name, each in vars(module).items()
        if inspect.isclass(each)
        and each.__module__ == module.__name__
        and issubclass(each, Adapter)
        and hasattr(each, "receive")
        and not inspect.isabstract(each)
    }


def _attribute(module: ModuleType, name: str) -> Any:
    found = getattr(module, name, None)
    if found is None:
        raise ConfigurationError(f"{module.__name__} has no {name!r}", "name a class or a function that is in it")
    return found
