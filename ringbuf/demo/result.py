"""What a strategy says it did. It counts this itself, independently of everything that was recorded."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


def strategy_name(number: int) -> str:
    """Name of a strategy and of its ring, counted from 1."""
    return f"demo-mm-{number:02}"


@dataclass(frozen=True)
class StrategyResult:
    """What a strategy writes as the last thing it does.

    Attributes:
        name: of the strategy and of its ring.
        session: of its ring.
        records: accepted by the ring.
        full: records that found the ring full.
        positions: by symbol, exact decimal text, from its `Inventory`.
        venue_positions: the same as the exchange keeps them.
        commissions: by currency, exact decimal text.
    """

    name: str
    session: int
    records: int
    full: int
    fills: int
    positions: dict[str, str]
    venue_positions: dict[str, str]
    commissions: dict[str, str]

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
