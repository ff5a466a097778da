"""What a strategy says it did. It counts this itself, independently of everything that is stored."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


def strategy_name(number: int) -> str:
    """Name of a strategy and of its ring, counted from 1."""
    return f"demo-mm-{number:02}"


@dataclass(frozen=True)
class StrategyResult:
    """What a strategy writes as the last thing it does. Numbers are exact: decimal text, or a fraction as "1/3".

    Attributes:
        name: of the strategy and of its ring.
        session: of its ring.
        starts: how often it was started; more than once if it was killed.
        resumed_records: how many of its own records it took in when it was started last, of ring and database.
        records: accepted by the ring, also before it was killed.
        full: records that found the ring full, or could not be recorded.
        executed: by symbol, what its order pages executed: bought, sold.
        positions: by symbol, from its `Inventory`.
        venue_positions: the same as the exchanges keep them.
        commissions: by currency.
        hedges: by hedge symbol its hedger's balance: owed, filled, working, balance.
        broken: how often that balance did not add up.
        found: what it was told when it asked the exchanges; see `Venue.found`.
        faults: what the exchanges did to its messages: lost, late, repeated, cut.
    """

    name: str
    session: int
    starts: int
    resumed_records: int
    records: int
    full: int
    executed: dict[str, list[str]]
    positions: dict[str, str]
    venue_positions: dict[str, str]
    commissions: dict[str, str]
    hedges: dict[str, dict[str, str]]
    broken: int
    found: dict[str, int]
    faults: dict[str, int]

    def write(self, directory: Path) -> None:
        """Write it as one JSON file, there as a whole or not at all."""
        path = directory / f"{self.name}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self)))
        temporary.rename(path)

    @classmethod
    def read_all(cls, directory: Path) -> list[Self]:
        """The results of all strategies that finished, by name."""
        return [cls(**json.loads(path.read_text())) for path in sorted(directory.glob("*.json"))]


def added(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """The sum of what all strategies counted."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total
