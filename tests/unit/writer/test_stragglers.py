"""The places of schemas that fall behind and catch up."""

from dataclasses import replace

from ringbuf.errors import TableMismatch
from ringbuf.state.checkpoint import Checkpoint, Intent, Straggler
from ringbuf.writer.load.batch import Batch
from ringbuf.writer.load.stragglers import counted, explained, fallen_behind, intended, moved, returned, tidied

ERROR = TableMismatch("the table is another", "move it away")
START = Checkpoint("db", 128, Intent(256, 512, {"ticks": ("a", "b"), "quotes": ("c",)}))


def behind(records: int = 7, end: int = 512) -> Checkpoint:
    return fallen_behind(START, "ticks", ERROR, ("a", "b"), records, end, 99)


def batch(begin: int, end: int, **left: int) -> Batch:
    return Batch(begin, end, (), left=left)


def test_a_schema_falls_behind_with_its_own_part_of_what_was_on_its_way() -> None:
    found = behind()
    assert found.intent == Intent(256, 512, {"quotes": ("c",)})
    own = Intent(256, 512, {"ticks": ("a", "b")})
    assert found.stragglers == {"ticks": Straggler(128, own, 99, "the table is another", "move it away", 7, 512)}
    assert (found.offset, found.offset_of("ticks"), found.offset_of("quotes")) == (128, 128, 128)
    idle = fallen_behind(replace(START, intent=None), "ticks", ERROR, None, 7, 512, 99)
    assert (idle.intent, idle.stragglers["ticks"].intent) == (None, None)


def test_what_the_others_leave_to_it_waits_but_not_what_it_has_passed() -> None:
    found = counted(behind(), batch(512, 640, ticks=5))
    assert (found.stragglers["ticks"].records, found.stragglers["ticks"].counted) == (12, 640)
    ahead = moved(found, "ticks", 704, 12)
    assert (ahead.stragglers["ticks"].records, ahead.stragglers["ticks"].counted) == (0, 704)
    assert counted(ahead, batch(640, 704, ticks=3)).stragglers["ticks"].records == 0


def test_its_place_moves_and_fewer_wait() -> None:
    found = moved(intended(behind(), "ticks", Intent(128, 256, {"ticks": ("d",)})), "ticks", 256, 3)
    assert found.stragglers["ticks"] == Straggler(256, None, 99, "the table is another", "move it away", 4, 512)
    assert (found.offset, found.lowest, found.highest) == (128, 128, 256)
    assert moved(found, "ticks", 512, 0).stragglers["ticks"].records == 0, "nothing is left of what was counted"
    assert found.stragglers["ticks"].why == "the table is another; move it away"
    assert explained(found, "ticks", TableMismatch("another")).stragglers["ticks"].why == "another"


def test_it_returns_when_nothing_of_it_is_left_or_on_its_way() -> None:
    found = behind()
    assert returned(found, "ticks", 512) == found, "its intent"
    found = moved(found, "ticks", 256, 3)
    assert returned(found, "ticks", 512) == found, "4 records"
    for offset, until in ((512, 512), (640, 640)):
        back = returned(moved(found, "ticks", offset, 4), "ticks", 512)
        assert back.intent is None
        assert back.behind == {}
        assert back.stragglers["ticks"].until == until
        assert back.offset_of("ticks") == until
        assert tidied(replace(back, offset=until - 64)).stragglers
        assert not tidied(replace(back, offset=until)).stragglers
    assert returned(found, "quotes", 512) == found


def test_one_that_returned_a_moment_ago_falls_behind_from_where_it_was_taken_back() -> None:
    back = returned(moved(behind(), "ticks", 512, 7), "ticks", 512)
    again = fallen_behind(back, "ticks", ERROR, None, 1, 640, 100)
    assert again.behind["ticks"] == Straggler(512, None, 100, "the table is another", "move it away", 1, 640)
