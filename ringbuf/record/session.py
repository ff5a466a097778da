"""What a session is: the life of one ring, from its making until its last record."""

import json
from dataclasses import dataclass

from ringbuf.record.schema import Schema


@dataclass(frozen=True)
class SessionInfo:
    """What a session frame tells about a ring.

    Attributes:
        session: identity of the ring.
        ring: its name.
        host: host that created it.
        pid: process that held it when the frame was written.
        namespace: namespace of the ring.
        created_ns: when the ring was created, ns since the epoch.
        schema: schema of its records.
        ended: whether no process held the ring and the journal had all its records when the frame was written. If
            records follow, another process has gone on with the ring. None in frames of release 0.1.0, which did not
            look.
    """

    session: int
    ring: str
    host: str
    pid: int
    namespace: str
    created_ns: int
    schema: Schema
    ended: bool | None = None

    def encode(self) -> bytes:
        """Payload of the session frame."""
        described: dict[str, str | int] = {
            "ring": self.ring,
            "host": self.host,
            "pid": self.pid,
            "namespace": self.namespace,
            "created_ns": self.created_ns,
            "descriptor": self.schema.descriptor.decode(),
        }
        if self.ended is not None:
            described["ended"] = self.ended
        return json.dumps(described, separators=(",", ":"), sort_keys=True).encode()
