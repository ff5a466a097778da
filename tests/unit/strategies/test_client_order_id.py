"""Client order ids: what they look like at each venue, what they say, and what is refused at the start."""

import fcntl
import os
import re
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringbuf.errors import ConfigurationError
from ringbuf.strategies import process_numbers
from ringbuf.strategies.client_order_id import ClientOrderIds
from ringbuf.strategies.id_format import LAYOUTS, Core, IdFormat, Kind
from ringbuf.strategies.process_numbers import ProcessNumbers
from ringbuf.strategies.venues import ID_FORMATS

PATTERNS = {
    "ascendex": r"\w[\w\-]*\w",
    "binance": r"[a-zA-Z0-9-_]{1,36}",
    "binance-futures": r"[\.A-Z\:/a-z0-9_-]{1,36}",
    "bingx": r"[a-z0-9]{1,40}",
    "bitget": r"[a-zA-Z0-9-_]{1,32}",
    "bitmex": r"[a-zA-Z0-9-_]{1,36}",
    "bybit": r"[0-9a-zA-Z_-]{1,36}",
    "coinbase": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "crypto.com": r"[a-zA-Z0-9-_]{1,36}",
    "deribit": r".{1,64}",
    "gate": r"t-[0-9A-Za-z_.-]{1,28}",
    "htx": r"[0-9A-Za-z_-]{1,64}",
    "hyperliquid": r"0x[0-9a-f]{32}",
    "kraken": r"[\x21-\x7e]{1,18}",
    "krakenfutures": r"[\x21-\x7e]{1,100}",
    "kucoin": r"[0-9A-Za-z_-]{1,40}",
    "mexc": r"[a-zA-Z0-9-_]{1,32}",
    "okx": r"[0-9a-zA-Z]{1,32}",
    "whitebit": r"[0-9A-Za-z_.-]{1,32}",
}
"""What the venues' documents say, as patterns."""
LIMITS = {"bitfinex": 1 << 45, "dydx": 1 << 32, "htx-futures": 1 << 63, "lighter": 1 << 48, "woo": 1 << 63}
FORMATS = list({id(each): (name, each) for name, each in sorted(ID_FORMATS.items(), reverse=True)}.values())
OWN = IdFormat(length=9, alphabet="0123456789ABCDEF")


@st.composite
def cores(draw: st.DrawFn) -> tuple[str, IdFormat, Core]:
    name, each = draw(st.sampled_from([*FORMATS, ("own", OWN)]))
    parts = (each.layout.hosts, each.layout.processes, each.layout.counters)
    return name, each, Core(*(draw(st.integers(0, most - 1)) for most in parts))


def is_taken(venue: str, text: str) -> bool:
    if venue in LIMITS:
        return text.isdecimal() and int(text) < LIMITS[venue]
    return re.fullmatch(PATTERNS[venue], text, re.ASCII) is not None


@settings(max_examples=500)
@given(cores())
def test_every_id_is_what_its_venue_takes_and_says_what_it_was_made_of(made: tuple[str, IdFormat, Core]) -> None:
    _, its, core = made
    text = its.encode(core)
    names = [name for name, each in ID_FORMATS.items() if each is its]
    assert all(is_taken(name, text) for name in names if name in PATTERNS or name in LIMITS)
    assert its.decode(text) == core
    assert 0 < len(text) <= 64


@settings(max_examples=300)
@given(cores(), cores())
def test_ids_of_different_cores_differ(one: tuple[str, IdFormat, Core], other: tuple[str, IdFormat, Core]) -> None:
    its = one[1]
    if its.layout == other[1].layout:
        assert (its.encode(one[2]) == its.encode(other[2])) is (one[2] == other[2])


@settings(max_examples=300)
@given(st.sampled_from([each for each in FORMATS if each[0] not in LIMITS]), st.text() | st.uuids().map(str))
def test_what_others_wrote_is_not_taken_for_an_own_id(named: tuple[str, IdFormat], text: str) -> None:
    core = named[1].decode(text)
    assert core is None or named[1].encode(core) == text


def test_every_venue_of_the_table_has_a_source_and_is_held_against_its_pattern() -> None:
    shown = {id(each) for name, each in ID_FORMATS.items() if name in PATTERNS or name in LIMITS}
    assert all(each.source.startswith("https://") and id(each) in shown for each in ID_FORMATS.values())


def test_an_id_that_was_mistyped_is_none_of_ours() -> None:
    its = ID_FORMATS["okx"]
    text = its.encode(Core(1, 2, 3))
    mistyped = [text[:at] + "x" + text[at + 1 :] for at in range(len(text)) if text[at] != "x"]
    assert sum(its.decode(each) is not None for each in mistyped) == 0


def test_persisted_ids_stay_as_they_are() -> None:
    core = Core(3, 5, 7)
    assert {name: ID_FORMATS[name].encode(core) for name in ("okx", "gate", "coinbase", "hyperliquid", "dydx")} == {
        "okx": GOLDEN[0],
        "gate": GOLDEN[1],
        "coinbase": GOLDEN[2],
        "hyperliquid": GOLDEN[3],
        "dydx": GOLDEN[4],
    }


GOLDEN = (
    "0006ki3gc013ut7",
    "t-0006ki3gc013ut7",
    "00060000-0a00-4000-b87e-6788f92723bb",
    "0x000600000a00000ec07e6788f92723bb",
    "805311495",
)


def test_a_uuid_is_one_to_everybody() -> None:
    assert uuid.UUID(ID_FORMATS["coinbase"].encode(Core(9, 8, 7))).version == 4


def test_an_id_says_strategy_and_sequence(tmp_path: Path) -> None:
    ids = ClientOrderIds("OKX", "mm btc, 2", host=3, directory=tmp_path / "made" / "here")
    other = ClientOrderIds("dydx", "hedge", host=3, directory=tmp_path / "made" / "here")
    first, second = ids.decode(ids.next()), ids.decode(ids.next())
    assert first is not None and second is not None
    assert (first.strategy, first.host, second.sequence - first.sequence) == ("mm btc, 2", 3, 1)
    small = other.decode(other.next())
    assert small is not None and small.strategy == "hedge"
    assert ids.decode("another") is None


def test_an_integer_may_come_as_the_number_that_a_venue_sends(tmp_path: Path) -> None:
    ids = ClientOrderIds("bitfinex", "mm", host=3, directory=tmp_path)
    text = ids.next()
    assert ids.decode(int(text)) == ids.decode(text) is not None


def test_an_id_of_another_host_says_no_strategy_here(tmp_path: Path) -> None:
    there = ClientOrderIds("okx", "mm", host=1, directory=tmp_path / "there")
    here = ClientOrderIds("okx", "mm", host=2, directory=tmp_path / "here")
    found = here.decode(there.next())
    assert found is not None and (found.strategy, found.host) == (None, 1)


@pytest.mark.parametrize(("venue", "host"), [("okx", -1), ("okx", 1 << 15), ("bitfinex", 256), ("dydx", 16)])
def test_a_host_that_does_not_fit_is_refused_at_the_start(tmp_path: Path, venue: str, host: int) -> None:
    with pytest.raises(ConfigurationError, match="number the hosts from 0 to"):
        ClientOrderIds(venue, "mm", host=host, directory=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("strategy", ["", " mm", "a\nb", "x" * 33])
def test_a_name_that_no_record_would_keep_is_refused_at_the_start(tmp_path: Path, strategy: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name of a strategy"):
        ClientOrderIds("okx", strategy, host=1, directory=tmp_path)


def test_a_venue_that_is_not_known_is_refused_at_the_start_and_can_be_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'binance'"):
        ClientOrderIds("binanse", "mm", host=1, directory=tmp_path)
    ids = ClientOrderIds(IdFormat(length=10, alphabet="0123456789abcdef"), "mm", host=1, directory=tmp_path)
    assert re.fullmatch("[0-9a-f]{8,10}", ids.next())


WITHOUT_ROOM: list[Callable[[], IdFormat]] = [
    lambda: IdFormat(length=6),
    lambda: IdFormat(length=9, prefix="broker-"),
    lambda: IdFormat(length=9, alphabet="0123456789"),
    lambda: IdFormat(Kind.INTEGER, limit=1 << 31),
    lambda: IdFormat(length=30, alphabet="aa"),
]


@pytest.mark.parametrize("make", WITHOUT_ROOM)
def test_a_format_without_room_is_refused_at_the_start(make: Callable[[], IdFormat]) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_a_directory_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="a disk that the strategy may write to"):
        ClientOrderIds("okx", "mm", host=1, directory=tmp_path / "file")


def test_a_process_that_has_used_up_its_numbers_claims_another(tmp_path: Path) -> None:
    ids = ClientOrderIds("dydx", "mm", host=1, directory=tmp_path)
    made = [ids.next() for _ in range(3 * LAYOUTS[-1].counters)]
    assert len(set(made)) == len(made)
    assert len((tmp_path / "process-numbers-1.csv").read_text().splitlines()) == 4


def test_threads_share_it(tmp_path: Path) -> None:
    ids = ClientOrderIds("dydx", "mm", host=1, directory=tmp_path)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend([ids.next() for _ in range(2_000)])) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(found)) == 8_000


def test_a_clock_that_is_set_back_makes_no_number_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = ProcessNumbers(tmp_path, 1)
    now = 1_790_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    first = numbers.claim("a")
    now = 0.0
    assert numbers.claim("a") == first + 1
    now = 1e12  # far ahead: then the clock does not count
    assert numbers.claim("a") == first + 2


def test_a_file_that_was_lost_begins_above_what_it_gave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = ProcessNumbers(tmp_path, 1)
    now = 1_790_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    given = [numbers.claim("a") for _ in range(3)]
    numbers.path.unlink()
    now += 4 * 60
    assert numbers.claim("a") > max(given)


@pytest.mark.parametrize("torn", [b"9", b"99999999", b"99999999,m", b"\xff\xfe,", b"\0\0\0\0"])
def test_a_line_that_a_power_failure_cut_does_no_harm(tmp_path: Path, torn: bytes) -> None:
    numbers = ProcessNumbers(tmp_path, 1)
    first = numbers.claim("mm")
    with numbers.path.open("ab") as file:
        file.write(torn)
    assert numbers.claim("mm") > first
    assert numbers.strategy(first) == "mm"


def test_a_host_whose_numbers_are_used_up_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "process-numbers-1.csv").write_text(f"{process_numbers.NUMBERS - 1},mm\n")
    with pytest.raises(ConfigurationError, match="used up"):
        ClientOrderIds("okx", "mm", host=1, directory=tmp_path)


def test_the_file_is_as_it_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_767_225_600.0 + 5 * 60)
    numbers = ProcessNumbers(tmp_path, 7)
    numbers.claim("mm, btc")
    numbers.claim("é")
    assert (tmp_path / "process-numbers-7.csv").read_bytes() == "5,mm, btc\n6,é\n".encode()
    assert (numbers.strategy(5), numbers.strategy(6), numbers.strategy(7)) == ("mm, btc", "é", None)


def test_a_file_that_another_process_holds_is_an_error_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = ProcessNumbers(tmp_path, 1)
    numbers.claim("a")
    monkeypatch.setattr(process_numbers, "_PATIENCE_S", 0.02)
    file = os.open(numbers.path, os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX)
    with pytest.raises(ConfigurationError):
        numbers.claim("a")
    os.close(file)
    numbers.claim("a")
