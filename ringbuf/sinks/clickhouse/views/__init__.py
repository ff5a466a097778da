"""The views over the table of EXECUTION: `fills`, `orders`, `positions`, `funding_payments`, and those with parameters.

fills
    One row per fill of a venue, from all its copies (live stream, look-back, a second strategy), as the venue corrected
    it and without those it took back.
orders
    One row per order: its state now, what it has executed and what may still trade.
positions
    Exact sums over the fills that are not simulated, and the open quantities, per exchange, account, symbol, position
    side, position id and strategy.

funding_payments
    One row per payment of funding, from all its copies.

Made of these are the views with parameters of `parameterised`.

The rules are those of `ringbuf.trading`, and the lists of words in these statements are made from its tables. Simulated
records are never merged with real ones. All views read with FINAL, so a record stored twice counts once. No value in a
record makes a view fail. Filters on exchange, account and symbol reach the table.
"""
