"""The demo: a simulated exchange, strategies that quote on it, one writer, and the proof that nothing was lost."""
