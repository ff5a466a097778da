"""The process around drain and load: start, stop, signals, status, metrics."""
