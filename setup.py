"""The native core; all else is in pyproject.toml, where extension modules are still an experiment of setuptools.

Where it cannot be compiled the package is installed without it, and runs in pure Python.
"""

from setuptools import Extension, setup

setup(ext_modules=[Extension("ringbuf._native", ["ringbuf/_native.c", "ringbuf/_heads.c"], optional=True)])
