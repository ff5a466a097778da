"""All views: what creates each of them."""

import re
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from ringbuf.record.execution import EXECUTION
from ringbuf.sinks.clickhouse import funding_records, unique
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
MARK: Final = "ringbuf: "
"""What the comment of each view begins with."""


class View(NamedTuple):
    """A view as it should be; the comment changes with the query.

    Attributes:
        comment: what `system.tables` shows.
        statement: creates or replaces it.
    """

    comment: str
    statement: str


def create_views(database: str, settings: Mapping[str, int | str]) -> dict[str, View]:
    """The views by name, in the order in which they can be created.

    Args:
        settings: under which their queries are planned.
    """
    table = table_name(EXECUTION, database)
    end = "\nSETTINGS " * bool(settings) + ", ".join(f"{name} = {value}" for name, value in settings.items())
    names = {
        name: f"{quoted(database)}.{quoted(name)}"
        for name in (
            "fills",
            "orders",
            *RECKONED.values(),
            "positions",
            "funding_payments",
            "late_reports",
            *PARAMETERISED,
        )
    }
    found = {
        "fills": (FILLS, unique.fills(database), "one row per fill of a venue"),
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
    return {
        name: _view(names[name], columns, _planned(query), end, about)
        for name, (columns, query, about) in found.items()
    }


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
