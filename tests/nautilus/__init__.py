"""Real backtests of NautilusTrader, recorded by its adapter and compared with its own reports."""
