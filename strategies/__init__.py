"""What runs inside a strategy process: the recorder, and what is known there with no delay."""

from ringbuf.strategies.bound_recorder import BoundRecorder, ExecutionFields
from ringbuf.strategies.recorder import Recorder

__all__ = ["BoundRecorder", "ExecutionFields", "Recorder"]
