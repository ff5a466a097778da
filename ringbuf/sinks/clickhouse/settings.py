"""The server's settings that our statements rely on, whatever its owner has given our user.

A user's profile can change any setting, and can forbid the user to change it back. So a statement brings what it relies
on: it sets what may be set, leaves what is right and may not be set, and an error names what is wrong.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ringbuf.errors import SinkUnavailable
from ringbuf.sinks.sink import MOST_ROWS

MOST_BYTES: Final = 256_000_000
"""Bytes that the block of an insert has at most, by far."""


class Need(NamedTuple):
    """What a statement needs of one setting.

    Attributes:
        value: what it is set to.
        floor: the least value that will do, if not only `value` will.
        others: further values that will do.
        unless: another setting of the statement; if that one is right, this one does not matter.
        is_optional: whether the statement mostly works without it.
    """

    value: int | str
    floor: int | None = None
    others: tuple[str, ...] = ()
    unless: str = ""
    is_optional: bool = False

    def is_met(self, found: str) -> bool:
        """Whether a value, as the server writes it, will do."""
        if found == str(self.value) or found in self.others:
            return True
        return self.floor is not None and found.isdigit() and int(found) >= self.floor

    def __str__(self) -> str:
        return str(self.value) if self.floor is None else f"{self.floor} at least"


Needs = Mapping[str, Need]

OF_ROWS: Final[Needs] = {
    "async_insert": Need(0),
    "input_format_binary_decode_types_in_binary_format": Need(0),
    "input_format_with_names_use_header": Need(1),
    "input_format_with_types_use_header": Need(1),
}
"""Rows are told with their columns, as text, and are there when the insert has returned."""

ONE_BLOCK: Final[Needs] = {
    **OF_ROWS,
    "deduplicate_insert": Need("enable"),
    "insert_deduplicate": Need(1, unless="deduplicate_insert"),
    "max_insert_block_size": Need(MOST_ROWS, floor=MOST_ROWS),
    "max_insert_block_size_bytes": Need(0, floor=MOST_BYTES),
    "min_insert_block_size_rows": Need(MOST_ROWS, floor=MOST_ROWS, unless="min_insert_block_size_bytes"),
    "min_insert_block_size_bytes": Need(MOST_BYTES, floor=MOST_BYTES, unless="min_insert_block_size_rows"),
    "input_format_max_block_size_bytes": Need(0, floor=MOST_BYTES),
}
"""An insert is one block, stored whole or not at all, and once for one token."""

AT_ONCE: Final[Needs] = {"async_insert": Need(0)}
"""What was inserted is there."""

_FEW_ROWS: Final = 1_024
"""So many rows are read at once of a table in any case, whatever an index says."""
_WITHOUT_INDEXES: Final[Needs] = {"materialize_skip_indexes_on_insert": Need(0, is_optional=True)}
"""Each index is two files more of a part, which cost more than few rows do; the part has them when it is merged."""


def inserting(rows: int, needs: Needs) -> Needs:
    """What an insert of so many rows needs, besides other needs."""
    return {**needs, **_WITHOUT_INDEXES} if rows <= _FEW_ROWS else needs


DEFINING: Final[Needs] = {
    "allow_suspicious_fixed_string_types": Need(1, is_optional=True),
    "data_type_default_nullable": Need(0),
}
"""A FixedString may be wider than 256 bytes; a column is of the type that is written."""

DROPPING: Final[Needs] = {
    "lightweight_deletes_sync": Need(0, is_optional=True),
    "distributed_ddl_task_timeout": Need(0, is_optional=True),
}
"""The server, or each of a cluster, deletes in its own time; nobody waits for it."""

_AT_ONE_MOMENT: Final[Needs] = {"enable_shared_storage_snapshot_in_query": Need(1, is_optional=True)}
"""A statement that reads a table twice reads it as of one moment: buckets may be closed meanwhile."""

_PLANNED_SOONER: Final[Needs] = {"query_plan_remove_unused_columns": Need(0, is_optional=True)}
"""Our statements name what they use: to look for more that is not used takes 7 % of the time of a short question."""

WHOLE: Final[Needs] = {
    "limit": Need(0),
    "offset": Need(0),
    **{
        f"{limited}_overflow_mode{each}": Need("throw")
        for limited in ("distinct", "group_by", "join", "read", "result", "set", "sort", "timeout", "transfer")
        for each in (("", "_leaf") if limited in ("read", "timeout") else ("",))
    },
}
"""A statement has all its rows or is an error; a limit may otherwise end it in the midst, without a word."""

_JOINED_BY_HASH: Final[Needs] = {
    "join_algorithm": Need(
        "direct,parallel_hash,hash",
        others=("auto", "default", "direct,hash", "full_sorting_merge", "hash", "parallel_hash"),
    )
}
"""An ASOF join is not done by every algorithm."""

ASKING: Final[Needs] = {
    **_AT_ONE_MOMENT,
    **_JOINED_BY_HASH,
    **_PLANNED_SOONER,
    **WHOLE,
    "use_query_cache": Need(0),
    "empty_result_for_aggregation_by_empty_set": Need(0),
}
"""The answer is that of now, and no rows are an answer too."""

READING: Final[Needs] = {
    **_AT_ONE_MOMENT,
    **_PLANNED_SOONER,
    **WHOLE,
    "readonly": Need(2, others=("1",)),
    "local_filesystem_read_method": Need("pread", is_optional=True),
    "max_query_size": Need(16_000_000, floor=16_000_000, is_optional=True),
    "optimize_and_compare_chain": Need(0, is_optional=True),
    "date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands": Need(0),
    "date_time_output_format": Need("simple"),
    "output_format_always_write_decimal_point_in_float_and_decimal": Need(0),
    "output_format_decimal_trailing_zeros": Need(0),
    "output_format_float_precision": Need(0),
    "output_format_json_array_of_rows": Need(0, is_optional=True),
    "output_format_json_escape_forward_slashes": Need(0, is_optional=True),
    "output_format_json_map_as_array_of_tuples": Need(0),
    "output_format_json_named_tuples_as_objects": Need(1),
    "output_format_json_quote_64bit_floats": Need(0),
    "output_format_json_quote_64bit_integers": Need(0),
    "output_format_json_quote_decimals": Need(0),
    "output_format_json_quote_denormals": Need(0),
    "output_format_json_skip_null_value_in_named_tuples": Need(0),
    "output_format_json_validate_utf8": Need(1, is_optional=True),
    "use_query_cache": Need(0, is_optional=True),
}
"""A question changes nothing but settings, and every answer is written in the same way.

It reads little of many columns, mostly from the page cache: to give each piece to another thread takes longer.
"""

PLANNING: Final[Needs] = {**_JOINED_BY_HASH, "optimize_and_compare_chain": Need(0, is_optional=True)}
"""Views bring it themselves: the second looks through all of a statement at each AND, which takes seconds for ours."""

_NARROW_AT_RIGHT: Final[Needs] = {"query_plan_join_swap_table": Need("false", is_optional=True)}
"""Our joins have the few narrow columns at the right, which a join keeps in memory; the server would guess."""

DERIVING: Final[Needs] = {
    **_AT_ONE_MOMENT,
    **_NARROW_AT_RIGHT,
    **_PLANNED_SOONER,
    **WHOLE,
    "aggregate_functions_null_for_empty": Need(0),
    "allow_experimental_analyzer": Need(1, is_optional=True),
    "final": Need(0),
    "max_query_size": Need(16_000_000, floor=16_000_000),
    "optimize_and_compare_chain": Need(0, is_optional=True),
    "prefer_column_name_to_alias": Need(1),
}
"""Rows of orders and fills are derived by the words of the statement, and rows that stand for what is gone are seen."""

ON_CLUSTER: Final[Needs] = {
    "distributed_product_mode": Need("global"),
    "distributed_foreground_insert": Need(1),
    "fallback_to_stale_replicas_for_distributed_queries": Need(0),
    "insert_quorum": Need("auto", floor=2),
    "insert_quorum_timeout": Need(30_000, is_optional=True),
    "load_balancing": Need("in_order"),
    "max_parallel_replicas": Need(1, is_optional=True),
    "max_replica_delay_for_distributed_queries": Need(1, is_optional=True),
    "parallel_distributed_insert_select": Need(0),
    "prefer_localhost_replica": Need(0),
    "skip_unavailable_shards": Need(0),
    "use_hedged_requests": Need(0, is_optional=True),
    "distributed_ddl_task_timeout": Need(30, is_optional=True),
}
"""Every statement that is sent to a cluster: a subquery is asked once, of all shards. What is inserted is at its shard
when the insert has returned, and at most of its replicas; and all statements go to the same replica, the first that is
there, so that it has what was inserted before."""

READING_CLUSTER: Final[Needs] = {name: need._replace(is_optional=True) for name, need in ON_CLUSTER.items()}
"""The same for who only reads; some users may set nothing."""

PLANNING_CLUSTER: Final[Needs] = {"distributed_product_mode": Need("global")}
"""What the views of a cluster bring."""


def at_shard(number: int) -> Needs:
    """The rows of an insert are for one shard of a cluster, counted from 1."""
    return {"insert_shard_id": Need(number)}


NOW: Final = {"use_query_cache": 0, **{name: need.value for name, need in WHOLE.items()}}
"""The question below sets them unseen, else it may fail or be cut; to set what is so already is always allowed."""
_ALL: Final = (
    inserting(1, ONE_BLOCK), AT_ONCE, DEFINING, DROPPING, ASKING, READING, PLANNING, DERIVING, ON_CLUSTER, at_shard(1),
)  # fmt: skip
_NAMES: Final = sorted({"readonly", *(name for needs in _ALL for name in needs)})
QUESTION: Final = (
    "SELECT name, value, readonly = 1, ifNull(min, ''), ifNull(max, '') FROM system.settings"
    f" WHERE name IN ({', '.join(map(repr, _NAMES))})"
)
"""Asks for the rows that `Settings` is made of."""


@dataclass(frozen=True)
class _Found:
    """A setting as `system.settings` shows it to our user; a limit is empty where there is none."""

    value: str
    is_fixed: bool
    least: str
    most: str

    def allows(self, value: int | str) -> bool:
        """Whether our user may set it so."""
        if self.is_fixed or isinstance(value, str):
            return not self.is_fixed
        return (not self.least or int(self.least) <= value) and (not self.most or value <= int(self.most))


class Settings:
    """The settings that our statements rely on, as our user has them. What a server does not know counts as met.

    Args:
        rows: of each setting name, value, whether it may not be changed, least and greatest value; see `QUESTION`.
        where: what messages call the database.
    """

    def __init__(self, rows: Iterable[Iterable[Any]], where: str) -> None:
        self._where = where
        self._found = {name: _Found(value, bool(fixed), least, most) for name, value, fixed, least, most in rows}

    def to_write(self, needs: Needs) -> dict[str, int | str]:
        """What a statement that changes something must set.

        Raises:
            SinkUnavailable: this user may only read, or a setting is wrong and may not be changed.
        """
        readonly = self._found.get("readonly")
        if readonly is not None and readonly.value != "0":
            raise SinkUnavailable(
                f"{self._where}: this user may only read: its setting readonly is {readonly.value}",
                "use another user, or let it write",
            )
        return self.to_send(needs)

    def to_send(self, needs: Needs) -> dict[str, int | str]:
        """What a statement must set: not what is right already and may not be changed.

        Raises:
            SinkUnavailable: a setting is wrong and may not be changed.
        """
        sent = {}
        for name, need in needs.items():
            found = self._found.get(name)
            if found is None:
                continue
            if found.allows(need.value):
                sent[name] = need.value
            elif not (self._is_right(name, need) or self._is_right(need.unless, needs.get(need.unless))):
                if need.is_optional:
                    continue
                wrong = f"setting {name} is {found.value} for this user, who may not change it, and must be {need}"
                raise SinkUnavailable(
                    f"{self._where}: {wrong}",
                    "have the server's owner set it so in the user's profile, or lift its constraint",
                )
        return sent

    def _is_right(self, name: str, need: Need | None) -> bool:
        found = self._found.get(name)
        return need is not None and found is not None and (found.allows(need.value) or need.is_met(found.value))
