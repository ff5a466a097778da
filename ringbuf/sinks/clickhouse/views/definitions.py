"""All views: what creates each of them."""

import re
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse import funding_records, unique
from ringbuf.sinks.clickhouse.layout import Layout
from ringbuf.sinks.clickhouse.open_orders import latest_orders
from ringbuf.sinks.clickhouse.sums import summed_up_to_now
from ringbuf.sinks.clickhouse.table import literal, quoted, table_name
from ringbuf.sinks.clickhouse.views.funding import PAYMENTS, funding
from ringbuf.sinks.clickhouse.views.late import LATE_REPORTS, late_reports
from ringbuf.sinks.clickhouse.views.orders import ORDERS, orders
from ringbuf.sinks.clickhouse.views.parameterised import PARAMETERISED
from ringbuf.sinks.clickhouse.views.positions import FILLS, NO_OPEN, OF_ORDER, POSITIONS, fills, positions

RECKONED: Final = {"fills": "reckoned_fills", "orders": "reckoned_orders"}
"""The views that come to the same from the records alone, and take long."""
OF_SUMS: Final = ("positions", "positions_at", "volumes", "fees", "profit_by_day")
"""Views of sums of closed buckets and of fills of the others: one statement must see both as of one moment. A shard of
a cluster does so, all of them together do not."""
MARK: Final = "ringbuf: "
"""What the comment of each view begins with."""

_Query: TypeAlias = tuple[Mapping[str, str] | None, str, str]


class View(NamedTuple):
    """A view as it should be; the comment changes with the query.

    Attributes:
        comment: what `system.tables` shows.
        statement: creates or replaces it.
    """

    comment: str
    statement: str


def create_views(layout: Layout, settings: Mapping[str, int | str]) -> dict[str, View]:
    """The views by name, in the order in which they can be created.

    Args:
        settings: under which their queries are planned.
    """
    found = _queries(layout.database)
    if layout.cluster is not None:
        found |= {name: (found[name][0], _gathered(layout, name), found[name][2]) for name in OF_SUMS}
    return _views(layout, layout.database, found, settings)


def create_local_views(layout: Layout, settings: Mapping[str, int | str]) -> dict[str, View]:
    """Those of them that each shard of a cluster has of its own rows; `create_views` puts their rows together."""
    found = _queries(layout.local)
    return _views(layout, layout.local, {name: found[name] for name in OF_SUMS}, settings)


def _queries(database: str) -> dict[str, _Query]:
    """Of each view the columns, if it is to be created with them, the query, and what a row of it is."""
    table = table_name(EXECUTION, database)
    return {
        "fills": (FILLS, unique.fills(unique.stored_fills(database)), "one row per fill of a venue"),
        "orders": (ORDERS, unique.orders(database), "one row per order, its state now"),
        RECKONED["fills"]: (FILLS, fills(table), "fills, reckoned anew from all records"),
        RECKONED["orders"]: (ORDERS, orders(table), "orders, reckoned anew from all records"),
        "positions": (
            POSITIONS,
            positions(summed_up_to_now(database, NO_OPEN), latest_orders(database, OF_ORDER)),
            "exact sums of fills, and what is open",
        ),
        "funding_payments": (PAYMENTS, funding(funding_records.table(database)), "one row per payment of funding"),
        "late_reports": (LATE_REPORTS, late_reports(database), "reports about orders of which records are gone"),
        **{
            name: (None, each.query(database), f"{each.about}; parameters {', '.join(each.parameters)}")
            for name, each in PARAMETERISED.items()
        },
    }


def _views(
    layout: Layout, database: str, queries: Mapping[str, _Query], settings: Mapping[str, int | str]
) -> dict[str, View]:
    written = (f"{name} = {literal(value) if isinstance(value, str) else value}" for name, value in settings.items())
    end = "\nSETTINGS " * bool(settings) + ", ".join(written)
    return {
        name: _view(f"{quoted(database)}.{quoted(name)}{layout.on}", columns, _planned(query), end, about)
        for name, (columns, query, about) in queries.items()
    }


def _gathered(layout: Layout, name: str) -> str:
    """The rows of the local views at all shards; no row of one belongs to a row of another."""
    view = f"{quoted(layout.local)}.{quoted(name)}"
    if name not in PARAMETERISED:
        return f"SELECT * FROM {layout.everywhere(view)}"
    given = ", ".join(f"{each} = {{{each}:String}}" for each in PARAMETERISED[name].parameters)
    return f"SELECT * FROM {layout.everywhere(f'view(SELECT * FROM {view}({given}))')}"


def _planned(query: str) -> str:
    """The same query, so written that it is planned sooner.

    For each text compared with = below an AND or OR, the server looks through the whole statement; for IN it does not.
    """
    return re.sub(
        r"([\w.]+) (!?)= ('\w*')", lambda found: f"{found[1]} {'NOT ' * bool(found[2])}IN ({found[3]})", query
    )


def _view(name: str, columns: Mapping[str, str] | None, query: str, end: str, about: str) -> View:
    typed = f"({', '.join(f'{quoted(column)} {kind}' for column, kind in columns.items())}) " if columns else ""
    mark = zlib.crc32(f"{typed}{query}".encode())  # without the end, which is another one for each user
    comment = f"{MARK}{about} [{mark:08x}]"
    return View(comment, f"CREATE OR REPLACE VIEW {name} {typed}AS {query}{end}\nCOMMENT {literal(comment)}")
