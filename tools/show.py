"""`ringbuf show NAME`: everything of one ring."""

from typing import Any

import click

from ringbuf.errors import RingCorrupt, RingVersion
from ringbuf.ring import inspection, registry
from ringbuf.ring.inspection import age_seconds
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


@click.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show everything about one ring: counters, who holds it, header, schema.

    Of a damaged ring, what can still be read is shown.
    """
    namespace = registry.resolve_namespace()
    try:
        ring = inspection.show_ring(name, namespace)
    except (RingCorrupt, RingVersion):
        remains = inspection.show_remains(name, namespace)
        print_json(remains) if as_json else _print_remains(remains)
        raise
    print_json(ring) if as_json else _print(ring)


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


def _print_remains(remains: dict[str, Any]) -> None:
    dump = bytes.fromhex(remains["header"])
    lines = {f"byte {start}": dump[start : start + 16].hex(" ") for start in range(0, len(dump), 16)}
    fields_table({"file": f"{remains['path']}, {remains['size']} bytes"} | remains["counters"] | lines)
