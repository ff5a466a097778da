"""What is compiled: the native core, and on demand the rules of orders. All else is in pyproject.toml, where extension
modules are still an experiment of setuptools.

Where the core cannot be compiled the package is installed without it, and runs in pure Python. The rules are the same
source either way: with `RINGBUF_COMPILE=1` mypyc makes machine code of it, which releases have and a checkout has not,
because it would hide what is edited.
"""

import os

from setuptools import Extension, setup

SOURCES = ["_native.c", "_recorder.c", "_recorder_new.c", "_lock.c", "_heads.c"]
HEADERS = ["_native.h", "_recorder.h", "_values.h"]
RULES = (
    "book client_id correction delta directory executed fill_sequence funding inferred_fill ledger lookback number"
    " order order_state position rank reading report states trade"
)

core = Extension(
    "ringbuf.ring._native",
    [f"ringbuf/ring/{name}" for name in SOURCES],
    depends=[f"ringbuf/ring/{name}" for name in HEADERS],
    optional=True,
)


def rules() -> list[Extension]:
    """Every module that a report passes through; mypyc has to be installed."""
    from mypyc.build import mypycify  # only who compiles needs it

    # No configuration: ours is for a checkout, and what the rules import (numpy) need not be there.
    options = ["--config-file=", "--ignore-missing-imports"]
    found: list[Extension] = mypycify([*options, *(f"ringbuf/trading/{name}.py" for name in RULES.split())])
    return found


setup(ext_modules=[core, *(rules() if os.environ.get("RINGBUF_COMPILE", "0") not in ("", "0") else [])])
