"""The examples in docs/VIEWS.md: the records there give the answers there, whatever the user's profile."""

import json
import re
from typing import Any

import pytest

from ringbuf.query.database import Database as Asked
from ringbuf.sinks.clickhouse.layout import Layout
from ringbuf.sinks.clickhouse.views.definitions import create_views
from ringbuf.sinks.clickhouse.views.parameterised import PARAMETERISED, POSITIONS_AT
from ringbuf.tools.sql import print_rows
from tests.checkout import ROOT
from tests.clickhouse.databases import Database, executions

DOCUMENT = (ROOT / "docs" / "VIEWS.md").read_text()
EXAMPLES = re.findall(r"```sql\n(.*?)```\n\n```text\n(.*?)```", DOCUMENT, re.DOTALL)
SAME = {
    "exchange": "deribit", "account": "A1", "symbol": "BTC-PERPETUAL", "strategy": "mm", "origin": "live",
    "commission_currency": "USDC",
}  # fmt: skip
OTHERWISE = (
    "join_use_nulls = 1, final = 1, session_timezone = 'America/New_York', aggregate_functions_null_for_empty = 1,"
    " prefer_column_name_to_alias = 1"
)
OLD_ANALYZER = "allow_experimental_analyzer = 0"


def example_records() -> list[dict[str, Any]]:
    """The records of the document."""
    (found,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    records = [json.loads(line) for line in found.splitlines()]
    return [
        {**SAME, **each} if "commission" in each else {**SAME, "commission_currency": "", **each} for each in records
    ]


def test_every_view_is_in_the_document_with_its_parameters_and_an_example() -> None:
    for name in create_views(Layout("ringbuf"), {}):
        parameters = ", ".join(PARAMETERISED[name].parameters) if name in PARAMETERISED else ""
        assert f"| `{name}({parameters})` |" in DOCUMENT or (f"| `{name}` |" in DOCUMENT and not parameters)
    for name in PARAMETERISED:
        assert any(f"FROM {name}(" in statement for statement, _ in EXAMPLES), name
    for name in POSITIONS_AT:
        assert f"`{name}`" in DOCUMENT


@pytest.mark.parametrize("profile", ["", OTHERWISE], ids=["usual", "otherwise"])
def test_the_examples_of_the_document_have_the_answers_of_the_document(
    views: Database, profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if profile and not views.is_embedded():  # its engine has no other analyzer
        profile = f"{profile}, {OLD_ANALYZER}"
    settings = f" SETTINGS {profile}" if profile else ""
    views.insert(executions(example_records(), session=1))
    views.fold()
    asked = Asked(views.name(), lambda statement: [views.query_json(f"{statement}{settings}")])
    for statement, answer in EXAMPLES:
        print_rows(asked, statement)
        assert capsys.readouterr().out == answer, statement
