"""A strategy of the demo: makes markets on one simulated exchange and hedges on another one.

All that it knows comes from its order pages and its inventory. They are fed with what the exchanges send, and when it
was killed with its own records.
"""

import asyncio
import random
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ringbuf.demo.earlier_records import earlier_records
from ringbuf.demo.hedging import hedges
from ringbuf.demo.market import HEDGE_EXCHANGE, MAKER_EXCHANGE, Instrument, steps
from ringbuf.demo.result import StrategyResult
from ringbuf.demo.venue import Venue
from ringbuf.record.enumerations import OrderStatus, Side
from ringbuf.strategies import Recorder
from ringbuf.strategies.client_order_id import ClientOrderIds
from ringbuf.strategies.hedger import Hedge, HedgeOrder, Hedger
from ringbuf.strategies.id_format import IdFormat
from ringbuf.strategies.inventory import Inventory
from ringbuf.strategies.orders import Delta, OrderPages, OrderState

LOOKBACK: Final = timedelta(minutes=2)
ID_FORMAT: Final = IdFormat(length=32)
MAX_OPEN_ORDERS: Final = 6
MAX_LOTS: Final = 9
POSITION_LIMIT_LOTS: Final = 40
CANCEL_SHARE: Final = 0.25
CANCEL_AGAIN_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.05
LAST_ORDERS_SECONDS: Final = 30.0
PENDING: Final = (OrderStatus.PENDING_NEW, OrderStatus.PENDING_CANCEL)

# (share, time in force, price in ticks better than the touch, from and to)
STYLES: Final = (
    (0.60, "post_only", -3, 0),
    (0.22, "good_till_date", -2, 0),
    (0.10, "immediate_or_cancel", 2, 4),
    (0.08, "good_till_cancel", 2, 3),
)
LIFETIME_NS: Final = (100_000_000, 1_500_000_000)


@dataclass(frozen=True)
class StrategySettings:
    """How one strategy runs.

    Attributes:
        name: of the strategy and its ring.
        start: how often it was started, with this time.
        maker_port, hedge_port: of the two exchanges.
        rate: records per second it is to produce.
        seconds: how long it trades.
        capacity: of its ring, records.
        data_dir: of the writer; asked for records that the ring has no more when a strategy is started again.
        results: directory for its result.
        ids: directory of the client order ids.
    """

    name: str
    start: int
    account: str
    maker_port: int
    hedge_port: int
    rate: float
    seconds: float
    capacity: int
    seed: int
    data_dir: Path
    results: Path
    ids: Path


class Strategy:
    """Keeps a few orders in the market and each position inside a band, and hedges what is filled.

    What to do next is decided from pages, inventory and account alone: sent orders count from the moment they are sent.
    """

    def __init__(self, settings: StrategySettings, recorder: Recorder) -> None:
        self._settings = settings
        self._producer = recorder.producer
        self._random = random.Random(f"{settings.seed}/{settings.name}/{settings.start}")
        # Each run of the demo counts as a host of its own, so that ids differ in a database that several runs share.
        host = zlib.crc32(settings.account.encode()) % ID_FORMAT.layout.hosts
        self._ids = ClientOrderIds(ID_FORMAT, settings.name, host=host, directory=settings.ids)
        self._hedges = hedges(settings.account)
        inventory = Inventory(lookback=LOOKBACK, hedges=lambda order: self._hedges.get(order.key.symbol))
        self._pages = OrderPages(recorder, inventory)
        self._open: dict[str, OrderState] = {}  # pages of our orders at the maker exchange, by client order id
        self._canceled_at: dict[str, float] = {}
        self._executed: defaultdict[str, dict[Side, Decimal]] = defaultdict(lambda: dict.fromkeys(Side, Decimal(0)))
        self._pages.on_delta(self._follow)
        self._hedger = Hedger(
            self._pages,
            self._send_hedge,
            strategy=settings.name,
            client_order_id=lambda hedge: self._ids.next(),
            price=self._hedge_price,
        )
        self._maker = self._venue(MAKER_EXCHANGE, settings.maker_port)
        self._hedge = self._venue(HEDGE_EXCHANGE, settings.hedge_port)
        self._resumed_records = self._resume()

    def _venue(self, exchange: str, port: int) -> Venue:
        names = {"exchange": exchange, "account": self._settings.account, "strategy": self._settings.name}
        return Venue(names, port, self._pages)

    def _resume(self) -> int:
        """Take in what was recorded before this process, so that nothing is hedged twice; how much that is."""
        count = 0
        for record in earlier_records(self._settings.name, self._settings.data_dir):
            self._pages.apply(record)
            count += 1
        return count

    async def run(self) -> StrategyResult:
        """Connect, trade, cancel what is open, and give account.

        Raises:
            ConnectionError: an exchange is gone.
            TimeoutError: what is open cannot be ended.
        """
        background = [
            asyncio.create_task(work)
            for venue in (self._maker, self._hedge)
            for work in (venue.listen(), venue.keep_in_step())
        ]
        trading = asyncio.create_task(self._trade())
        await asyncio.wait((trading, *background), return_when=asyncio.FIRST_COMPLETED)
        failed = [each for each in background if each.done()]
        for each in (trading, *background):
            each.cancel()
        await asyncio.gather(trading, *background, return_exceptions=True)
        for each in failed:
            each.result()
        return replace(trading.result(), records=self._producer.head)  # a copy may have come since

    async def _trade(self) -> StrategyResult:
        await self._maker.opened.wait()
        await self._hedge.opened.wait()
        await self._until(self._is_known, "what happened before is not known")
        self._hedger.flush()
        loop, before = asyncio.get_running_loop(), self._producer.head
        rate, begin = self._settings.rate, loop.time() + self._random.random() / self._settings.rate
        while (elapsed := loop.time() - begin) < self._settings.seconds:
            self._maker.account.tick()
            self._hedge.account.tick()
            ahead = self._producer.head - before + self._unanswered - rate * elapsed
            if ahead > 0 or not self._act():
                await asyncio.sleep(min(max(ahead, 0.5) / rate, PAUSE_SECONDS))
            else:
                await asyncio.sleep(0)
        await self._until(self._is_settled, "not all orders are over")
        return await self._result()

    async def _until(self, condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        try:
            async with asyncio.timeout(LAST_ORDERS_SECONDS):
                while not await condition():
                    await asyncio.sleep(PAUSE_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"{self._settings.name}: {otherwise} after {LAST_ORDERS_SECONDS:.0f} s") from None

    async def _is_known(self) -> bool:
        """Whether the exchanges have told all that happened; hedges first, since the other's fills lead to some."""
        return await self._hedge.resynchronise() and await self._maker.resynchronise()

    async def _is_settled(self) -> bool:
        """Cancel what is open and hedge what is left; whether there is no more, and all is known."""
        for page in list(self._open.values()):
            self._cancel(page)
        is_known = await self._is_known()
        return is_known and not self._hedger.flush() and not self._pages.open_pages()

    # Making markets

    @property
    def _unanswered(self) -> int:
        return sum(page.status in PENDING for page in self._open.values())

    def _act(self) -> bool:
        """Send one order or cancel one; False if there is nothing to do now."""
        if not self._maker.is_connected:
            return False
        if len(self._open) >= MAX_OPEN_ORDERS or (self._open and self._random.random() < CANCEL_SHARE):
            return any(self._cancel(page) for page in list(self._open.values()))
        instrument = self._random.choice(list(self._maker.instruments.values()))
        lots = self._random.randint(1, MAX_LOTS)
        sides = self._allowed_sides(instrument, lots * instrument.lot)
        if sides:
            self._order(instrument, self._random.choice(sides), lots)
        return bool(sides)

    def _allowed_sides(self, instrument: Instrument, quantity: Decimal) -> list[str]:
        """On which sides the position would stay in its band even if all that is open were filled."""
        held = self._maker.account.position(instrument.symbol)
        if held.stale:
            return []  # the exchange is going to be asked
        position = self._pages.inventory.position(MAKER_EXCHANGE, self._settings.account, instrument.symbol)
        limit = POSITION_LIMIT_LOTS * instrument.lot
        may_buy = held.highest + position.open_buy + quantity <= limit
        may_sell = held.lowest - position.open_sell - quantity >= -limit
        return ["buy"] * may_buy + ["sell"] * may_sell

    def _order(self, instrument: Instrument, side: str, lots: int) -> None:
        (_, time_in_force, low, high) = self._random.choices(STYLES, [style[0] for style in STYLES])[0]
        bid, ask = self._maker.quotes[instrument.symbol]
        touch = steps(bid if side == "buy" else ask, instrument.tick)
        assert touch is not None, "quotes are multiples of the tick"
        better = self._random.randint(low, high)
        order: dict[str, Any] = {
            "client_order_id": self._ids.next(),
            "symbol": instrument.symbol,
            "side": side,
            "order_type": "limit",
            "price": instrument.price(touch + better if side == "buy" else touch - better),
            "quantity": instrument.quantity(lots),
            "time_in_force": time_in_force,
        }
        self._request(order, "pending_new")
        if time_in_force == "good_till_date":
            order["lifetime_ns"] = self._random.randint(*LIFETIME_NS)
        self._maker.send({"op": "new_order"} | order)

    def _cancel(self, page: OrderState) -> bool:
        """Cancel an order, if that is not on its way; once more if there is no answer to it for too long."""
        name, now = page.client_order_id, time.monotonic()
        if page.is_over or page.status is OrderStatus.PENDING_NEW:
            return False
        if now < self._canceled_at.get(name, 0.0) + CANCEL_AGAIN_SECONDS:
            return False
        self._canceled_at[name] = now
        order = {"client_order_id": name, "symbol": page.key.symbol}
        self._request(order, "pending_cancel")
        self._maker.send({"op": "cancel"} | order)
        return True

    def _request(self, order: dict[str, Any], what: str) -> None:
        names = {"exchange": MAKER_EXCHANGE, "account": self._settings.account, "strategy": self._settings.name}
        self._pages.apply(names | order | {"exec_type": what, "order_status": what})

    # Hedging

    def _send_hedge(self, order: HedgeOrder) -> None:
        self._hedge.send(
            {
                "op": "new_order",
                "client_order_id": order.client_order_id,
                "symbol": order.symbol,
                "side": order.side.name.lower(),
                "order_type": "market",
                "quantity": float(order.quantity),
                "time_in_force": "immediate_or_cancel",
            }
        )

    def _hedge_price(self, hedge: Hedge) -> Decimal | None:
        """The middle of bid and ask."""
        quote = self._hedge.quotes.get(hedge.symbol)
        return None if quote is None else sum(Decimal(repr(each)) for each in quote) / Decimal(2)

    # What is known

    def _follow(self, delta: Delta) -> None:
        """Add up what the pages execute, and keep those at hand that work."""
        page = delta.page
        self._executed[page.key.symbol][page.side] += delta.traded
        if page.key.exchange != MAKER_EXCHANGE or not page.client_order_id:
            return
        if page.open:
            self._open[page.client_order_id] = page
        else:
            self._open.pop(page.client_order_id, None)
            self._canceled_at.pop(page.client_order_id, None)

    async def _result(self) -> StrategyResult:
        venue_positions: dict[str, str] = {}
        faults: Counter[str] = Counter()
        for venue in (self._maker, self._hedge):
            venue_positions |= await _answer(venue, "positions")
            faults.update(await _answer(venue, "faults"))
        inventory = self._pages.inventory
        return StrategyResult(
            name=self._settings.name,
            session=self._producer.session,
            starts=self._settings.start,
            resumed_records=self._resumed_records,
            records=self._producer.head,
            full=self._producer.dropped + self._pages.unrecorded,
            executed={
                symbol: [f"{each[Side.BUY]:f}", f"{each[Side.SELL]:f}"] for symbol, each in self._executed.items()
            },
            positions={key.symbol: f"{each.quantity:f}" for key, each in inventory.positions().items()},
            venue_positions=venue_positions,
            commissions={currency: f"{paid:f}" for currency, paid in inventory.commissions().items()},
            hedges={
                key.symbol: {name: str(value) for name, value in balance._asdict().items()}
                for key, balance in self._hedger.balances().items()
            },
            broken=self._hedger.broken,
            found=dict(self._maker.found + self._hedge.found),
            faults=dict(faults),
        )


async def _answer(venue: Venue, question: str) -> dict[str, Any]:
    """An answer, as often as it takes."""
    async with asyncio.timeout(LAST_ORDERS_SECONDS):
        while True:
            try:
                answer: dict[str, Any] = await venue.ask(question)
                return answer
            except (ConnectionError, TimeoutError):
                await asyncio.sleep(PAUSE_SECONDS)


async def run_strategy(settings: StrategySettings) -> StrategyResult:
    """Run one strategy from opening its ring to closing it.

    Raises:
        RingbufError: its ring cannot be opened.
        OSError, TimeoutError: an exchange is not there, or went away.
    """
    with Recorder.open(settings.name, capacity=settings.capacity) as recorder:
        result = await Strategy(settings, recorder).run()
    result.write(settings.results)
    return result
