"""`ringbuf show NAME`: everything of one ring."""

from typing import Any, Final

import click

from ringbuf.errors import RingCorrupt, RingVersion
from ringbuf.record.schema import Schema
from ringbuf.ring import layout, registry
from ringbuf.ring.inspection import age_seconds, check_exists, described, open_ring
from ringbuf.ring.observer import Observer
from ringbuf.tools.output import (
    ABSENT,
    age_text,
    fields_table,
    json_option,
    print_json,
    print_table,
    size_text,
    time_text,
)

_DUMPED: Final = 128
_COUNTERS: Final = {
    "head": layout.HEAD,
    "tail": layout.TAIL,
    "dropped": layout.DROPPED,
    "rejected": layout.REJECTED,
    "flagged": layout.FLAGGED,
    "recreated": layout.RECREATED,
    "high_water": layout.HIGH_WATER,
    "producer_pid": layout.PRODUCER_PID,
    "consumer_pid": layout.CONSUMER_PID,
}


@click.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show everything about one ring: counters, who holds it, header, schema.

    Of a damaged ring, what can still be read is shown.
    """
    namespace = registry.resolve_namespace()
    check_exists(name, namespace)
    try:
        with open_ring(name, namespace) as observer:
            ring = _details(observer, namespace)
    except (RingCorrupt, RingVersion):
        remains = _remains(name, namespace)
        print_json(remains) if as_json else _print_remains(remains)
        raise
    print_json(ring) if as_json else _print(ring)


def _details(observer: Observer, namespace: str) -> dict[str, Any]:
    header, state = observer.header, observer.state()
    return described(observer) | {
        "namespace": namespace,
        "path": str(registry.find(observer.name, namespace)),
        "session": header.session,
        "session_hex": f"{header.session:016x}",
        "host": header.host,
        "created_ns": header.created_ns,
        "attached_ns": state.attached_ns,
        "closed_ns": state.closed_ns,
        "heartbeat_ns": state.heartbeat_ns,
        "moved_ns": state.moved_ns,
        "abandoned_ns": state.abandoned_ns,
        "high_water": state.high_water,
        "oldest": observer.oldest,
        "locks": {"producer": state.producer_alive, "consumer": state.consumer_alive},
        "layout": {"version": layout.VERSION, "header_size": layout.HEADER_SIZE},
        "schema": _schema(header.schema),
    }


def _schema(schema: Schema) -> dict[str, Any]:
    fields = [
        {"name": name, "format": dtype.str, "offset": offset, "size": dtype.itemsize, "meaning": _meaning(schema, name)}
        for name, (dtype, offset) in schema.fields.items()
    ]
    words = {name: {str(value): word for value, word in words.items()} for name, words in schema.words.items()}
    return {
        "name": schema.name,
        "version": schema.version,
        "id": schema.schema_id,
        "record_size": schema.record_size,
        "fields": fields,
        "words": words,
    }


def _meaning(schema: Schema, name: str) -> str:
    if name in schema.words:
        return "enumeration"
    if schema.is_time(name):
        return "time"
    return {"S": "text", "V": "bytes", "b": "boolean"}.get(schema.fields[name][0].kind, "number")


def _print(ring: dict[str, Any]) -> None:
    schema, producer, consumer = ring["schema"], ring["producer"], ring["consumer"]
    fields_table(
        {
            "ring": f"{ring['name']} in namespace {ring['namespace']}",
            "session": f"{ring['session_hex']} ({ring['session']})",
            "file": f"{ring['path']}, {size_text(ring['size'])}",
            "layout": f"version {ring['layout']['version']}, header of {ring['layout']['header_size']} bytes",
            "host": ring["host"],
            "created": _time(ring["created_ns"]),
            "producer": f"process {producer['pid']}, {producer['state']}",
            "attached": _time(ring["attached_ns"]),
            "closed": _time(ring["closed_ns"]),
            "moved to another file": _time(ring["moved_ns"]),
            "without a producer since": _time(ring["abandoned_ns"]),
            "consumer": consumer["state"]
            if consumer["pid"] is None
            else f"process {consumer['pid']}, {consumer['state']}",
            "heartbeat": _time(ring["heartbeat_ns"]),
            "locks": ", ".join(f"{role} {'held' if held else 'free'}" for role, held in ring["locks"].items()),
            "last record": _time(ring["last_record_ns"] or 0),
        }
        | {name: ring[name] for name in ("capacity", "head", "tail", "lag", "high_water", "oldest")}
        | {name: ring[name] for name in ("dropped", "rejected", "flagged", "recreated")}
        | {
            "schema": f"{schema['name']} version {schema['version']}, id {schema['id']:08x}, "
            f"{schema['record_size']} bytes a record"
        }
    )
    click.echo()
    print_table(
        ("FIELD", "FORMAT", "OFFSET", "SIZE", "MEANING"),
        [_field(field, schema["words"]) for field in schema["fields"]],
        left=("FIELD", "FORMAT", "MEANING"),
    )


def _field(field: dict[str, Any], words: dict[str, dict[str, str]]) -> list[str]:
    listed = ", ".join(f"{value} {word}" for value, word in words.get(field["name"], {}).items())
    meaning = f"{field['meaning']}: {listed}" if listed else field["meaning"]
    return [field["name"], field["format"], str(field["offset"]), str(field["size"]), meaning]


def _time(time_ns: int) -> str:
    return f"{time_text(time_ns)} ({time_ns} ns, {age_text(age_seconds(time_ns))} ago)" if time_ns else ABSENT


def _remains(name: str, namespace: str) -> dict[str, Any]:
    """What can be read of a file that is no intact ring."""
    path = registry.find(name, namespace)
    with path.open("rb") as file:
        head = file.read(layout.HEADER_SIZE)
    counters = {
        counter: int.from_bytes(head[offset : offset + 8], "little")
        for counter, offset in _COUNTERS.items()
        if offset + 8 <= len(head)
    }
    dump = head[:_DUMPED].hex()
    return {
        "name": name,
        "namespace": namespace,
        "path": str(path),
        "size": path.stat().st_size,
        "counters": counters,
        "header": dump,
    }


def _print_remains(remains: dict[str, Any]) -> None:
    dump = bytes.fromhex(remains["header"])
    lines = {f"byte {start}": dump[start : start + 16].hex(" ") for start in range(0, len(dump), 16)}
    fields_table({"file": f"{remains['path']}, {remains['size']} bytes"} | remains["counters"] | lines)
