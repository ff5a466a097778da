"""The answer to a question: rows as they come, each column exact."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from ringbuf.query.database import Database, row_of
from ringbuf.query.questions.column import Column, Row, column_of, read, written
from ringbuf.query.questions.number_text import NumberTexts


class Rows(ABC):
    """Rows that come while they are read, once.

    Attributes:
        columns: what each column holds, in order.
    """

    columns: Mapping[str, Column]

    @abstractmethod
    def lines(self) -> Iterator[list[bytes]]:
        """The rows as JSON, some at a time, each a line without its newline."""

    @abstractmethod
    def written_rows(self) -> Iterator[list[Row]]:
        """The rows as in JSON, some at a time: numbers are decimal texts."""

    def __iter__(self) -> Iterator[Row]:
        """The rows, numbers as Decimal; errors are those of `lines`."""
        for rows in self.written_rows():
            for row in rows:
                yield {name: read(row[name], column) for name, column in self.columns.items()}


class Answer(Rows):
    """Rows that come from the database while they are read.

    Attributes:
        statement: by which the database is asked.

    Args:
        types: of each column its type in the database, in order.
        source: what stands behind FROM: a table, a view or a SELECT, called `answer`, that has these columns and
            perhaps more, and conditions. A condition on a number or a time must name its column as `answer.COLUMN`.
        order: what the rows are sorted by, columns as `answer.COLUMN`.
        decimals: by column, the other column that has as a decimal what the number in it counts as.
    """

    def __init__(
        self,
        database: Database,
        types: Mapping[str, str],
        source: str,
        order: str,
        decimals: Mapping[str, str] | None = None,
    ) -> None:
        self.columns = {name: column_of(type_) for name, type_ in types.items()}
        self._database = database
        self._numbers = NumberTexts(types, decimals or {})
        others = {name: written(name, type_) for name, type_ in types.items() if name not in self._numbers.names}
        asked = {**self._numbers.selected, **others}
        selected = ", ".join(f"{asked[name]} AS {name}" for name in types if name in asked)
        self.statement = f"SELECT {selected} FROM {source} ORDER BY {order}"

    def lines(self) -> Iterator[list[bytes]]:
        """The rows as JSON, some at a time, each a line without its newline.

        Raises:
            SinkError: the database cannot be asked, or refuses the question; perhaps in the midst of the rows.
        """
        for lines in self._database.batches(self.statement):
            for line in lines:
                if not line.startswith(b"{"):
                    row_of(line)  # says what it is
            yield [*map(self._numbers.put_into, lines)] if self._numbers.names else lines

    def written_rows(self) -> Iterator[list[Row]]:
        """The rows as in JSON, some at a time: numbers are decimal texts.

        Raises:
            SinkError: as `lines`.
        """
        for lines in self.lines():
            yield [row_of(line) for line in lines]
