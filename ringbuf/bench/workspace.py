"""The files and rings of one benchmark run."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Final

from ringbuf.launch import workspace as launch
from ringbuf.ring import registry

PURPOSE: Final = "bench"


class Workspace(launch.Workspace):
    """A workspace with a second namespace, of rings that no writer looks at."""

    @property
    def hidden(self) -> str:
        """The second namespace."""
        return f"{self.namespace}-hidden"

    def show_rings(self) -> None:
        """Let the hidden rings appear in the namespace."""
        for name in registry.ring_names(self.hidden):
            registry.ring_path(name, self.hidden).rename(registry.ring_path(name, self.namespace))

    def remove_rings(self, names: Iterable[str] | None = None) -> None:
        """Remove rings, hidden or not, whatever is in them."""
        super().remove_rings(names)
        launch.remove_rings(self.hidden, names)


def workspace() -> AbstractContextManager[Workspace]:
    """A workspace that is removed in the end, also after SIGTERM or Ctrl-C."""
    return Workspace.temporary(PURPOSE)
