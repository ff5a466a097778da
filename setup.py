"""The native core; all else is in pyproject.toml, where extension modules are still an experiment of setuptools.

Where it cannot be compiled the package is installed without it, and runs in pure Python.
"""

from setuptools import Extension, setup

SOURCES = ["_native.c", "_recorder.c", "_recorder_new.c", "_lock.c", "_heads.c"]
HEADERS = ["_native.h", "_recorder.h", "_values.h"]

core = Extension(
    "ringbuf.ring._native",
    [f"ringbuf/ring/{name}" for name in SOURCES],
    depends=[f"ringbuf/ring/{name}" for name in HEADERS],
    optional=True,
)

setup(ext_modules=[core])
