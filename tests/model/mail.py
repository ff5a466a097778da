"""Messages of a simulated venue on their way to the strategy."""

from collections.abc import Callable


class Mail:
    """What has not arrived yet. Times are steps."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Callable[[], None]]] = []

    def __len__(self) -> int:
        """Number of messages."""
        return len(self._waiting)

    def post(self, arrive: Callable[[], None], at: int) -> None:
        """Have a message arrive at some step."""
        self._waiting.append((at, arrive))

    def due(self, now: int) -> list[Callable[[], None]]:
        """Take out what arrives by now."""
        due = [arrive for at, arrive in self._waiting if at <= now]
        self._waiting = [each for each in self._waiting if each[0] > now]
        return due
