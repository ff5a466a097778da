"""A strategy of the demo: quotes on the simulated exchange, records what happens, decides from its inventory."""

import asyncio
import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

from ringbuf.demo.market import Instrument, steps
from ringbuf.demo.result import StrategyResult
from ringbuf.ring.producer import FULL
from ringbuf.strategies import BoundRecorder, ExecutionFields, Recorder
from ringbuf.strategies.inventory import Inventory

EXCHANGE: Final = "sim"
MAX_OPEN_ORDERS: Final = 6
MAX_LOTS: Final = 9
POSITION_LIMIT_LOTS: Final = 40
CANCEL_SHARE: Final = 0.25
LAST_ORDERS_SECONDS: Final = 15.0

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
        rate: records per second it is to produce.
        seconds: how long it trades.
        capacity: of its ring, records.
        results: directory for its result.
    """

    name: str
    account: str
    port: int
    rate: float
    seconds: float
    capacity: int
    seed: int
    results: Path


class Strategy:
    """Keeps a few orders in the market and each position inside a band.

    Every state change and fill goes to the recorder and to the inventory, with the same values. What to do next is
    decided from the inventory alone: sent orders count from the moment they are sent.
    """

    def __init__(self, settings: StrategySettings, recorder: Recorder, connection: ClientConnection) -> None:
        self._settings = settings
        self._recorder = recorder
        self._connection = connection
        self._random = random.Random(f"{settings.seed}/{settings.name}")
        self._inventory = Inventory()
        self._instruments: dict[str, Instrument] = {}
        self._recorders: dict[str, BoundRecorder] = {}
        self._quotes: dict[str, list[float]] = {}
        self._open: dict[str, str] = {}  # client order id to symbol, acknowledged and not being canceled
        self._unanswered = 0
        self._orders = self._records = self._full = self._fills = 0
        self._opened = asyncio.Event()
        self._quiet = asyncio.Event()
        self._venue_positions: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def run(self) -> StrategyResult:
        """Log in, trade, cancel what is open, and give account."""
        await self._send({"op": "login", "client": self._settings.name})
        listening = asyncio.create_task(self._listen())
        trading = asyncio.create_task(self._trade())
        done, _ = await asyncio.wait((listening, trading), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if listening in done:
            trading.cancel()
            listening.result()
            raise ConnectionError("the exchange closed the connection")
        trading.result()
        with suppress(asyncio.CancelledError):
            await listening
        return self._result()

    async def _trade(self) -> None:
        await self._opened.wait()
        loop = asyncio.get_running_loop()
        rate, begin = self._settings.rate, loop.time() + self._random.random() / self._settings.rate
        while (elapsed := loop.time() - begin) < self._settings.seconds:
            ahead = self._records + self._unanswered - rate * elapsed
            if ahead > 0 or not await self._act():
                await asyncio.sleep(max(ahead, 0.5) / rate)
        await self._wind_down()

    async def _act(self) -> bool:
        """Send one order or cancel one; False if there is nothing to do now."""
        if len(self._open) >= MAX_OPEN_ORDERS or (self._open and self._random.random() < CANCEL_SHARE):
            await self._cancel(next(iter(self._open)))
            return True
        instrument = self._random.choice(list(self._instruments.values()))
        lots = self._random.randint(1, MAX_LOTS)
        sides = self._allowed_sides(instrument, lots * instrument.lot)
        if not sides or self._unanswered >= MAX_OPEN_ORDERS:
            return False
        await self._order(instrument, self._random.choice(sides), lots)
        return True

    def _allowed_sides(self, instrument: Instrument, quantity: Decimal) -> list[str]:
        """On which sides the position would stay in its band even if all that is open were filled."""
        position = self._inventory.position(EXCHANGE, self._settings.account, instrument.symbol)
        limit = POSITION_LIMIT_LOTS * instrument.lot
        may_buy = position.quantity + position.open_buy + quantity <= limit
        may_sell = position.quantity - position.open_sell - quantity >= -limit
        return ["buy"] * may_buy + ["sell"] * may_sell

    async def _order(self, instrument: Instrument, side: str, lots: int) -> None:
        (_, time_in_force, low, high) = self._random.choices(STYLES, [style[0] for style in STYLES])[0]
        bid, ask = self._quotes[instrument.symbol]
        touch = steps(bid if side == "buy" else ask, instrument.tick)
        assert touch is not None, "quotes are multiples of the tick"
        better = self._random.randint(low, high)
        price = instrument.price(touch + better if side == "buy" else touch - better)
        self._orders += 1
        message: dict[str, Any] = {
            "client_order_id": f"{self._settings.name}-{self._orders}",
            "symbol": instrument.symbol,
            "side": side,
            "price": price,
            "quantity": instrument.quantity(lots),
            "time_in_force": time_in_force,
        }
        if time_in_force == "good_till_date":
            message["lifetime_ns"] = self._random.randint(*LIFETIME_NS)
        self._record(message | {"event": "pending_new", "status": "pending_new"})
        self._unanswered += 1
        await self._send({"op": "new_order"} | message)

    async def _cancel(self, client_order_id: str) -> None:
        message = {"client_order_id": client_order_id, "symbol": self._open.pop(client_order_id)}
        self._record(message | {"event": "pending_cancel", "status": "pending_cancel"})
        self._unanswered += 1
        await self._send({"op": "cancel"} | message)

    async def _wind_down(self) -> None:
        """Cancel what is open, wait for the answers, ask the exchange for its account."""
        async with asyncio.timeout(LAST_ORDERS_SECONDS):
            while self._open or self._unanswered:
                for client_order_id in list(self._open):
                    await self._cancel(client_order_id)
                self._quiet.clear()
                await self._quiet.wait()
            await self._send({"op": "positions"})
            await asyncio.shield(self._venue_positions)

    async def _listen(self) -> None:
        async for text in self._connection:
            self._on_event(json.loads(text), time.time_ns())

    def _on_event(self, event: dict[str, Any], received_ns: int) -> None:
        match event["event"]:
            case "ticker":
                self._quotes = event["quotes"]
            case "open":
                self._on_open(event)
            case "positions":
                self._venue_positions.set_result(event["positions"])
            case "error":
                raise ValueError(f"the exchange did not understand: {event}")
            case _:
                self._on_order_event(event, received_ns)

    def _on_open(self, event: dict[str, Any]) -> None:
        for each in event["instruments"]:
            symbol = each["symbol"]
            self._instruments[symbol] = Instrument(symbol, Decimal(each["tick"]), Decimal(each["lot"]))
            self._recorders[symbol] = self._recorder.bind(
                exchange=EXCHANGE, account=self._settings.account, symbol=symbol, strategy=self._settings.name
            )
        self._quotes = event["quotes"]
        self._opened.set()

    def _on_order_event(self, event: dict[str, Any], received_ns: int) -> None:
        client_order_id = event["client_order_id"]
        self._record(event, received_ns)
        if event["event"] == "new":
            self._open[client_order_id] = event["symbol"]
        elif event["status"] in ("filled", "expired", "canceled"):
            self._open.pop(client_order_id, None)
        if event["event"] in ("new", "rejected", "canceled", "cancel_rejected"):
            self._unanswered -= 1
        self._quiet.set()

    def _record(self, event: dict[str, Any], received_ns: int | None = None) -> None:
        """Record one event, and take it into the inventory in the same step."""
        symbol, is_fill = event["symbol"], event["event"] == "fill"
        fields = _fields(event, received_ns)
        seq = self._recorders[symbol].fill(**fields) if is_fill else self._recorders[symbol].order(**fields)
        self._inventory.apply({**fields, "exchange": EXCHANGE, "account": self._settings.account, "symbol": symbol})
        self._records += seq != FULL
        self._full += seq == FULL
        self._fills += is_fill

    def _result(self) -> StrategyResult:
        positions = self._inventory.positions()
        return StrategyResult(
            name=self._settings.name,
            session=self._recorder.producer.session,
            records=self._records,
            full=self._full,
            fills=self._fills,
            positions={instrument.symbol: f"{each.quantity:f}" for instrument, each in positions.items()},
            venue_positions=self._venue_positions.result(),
            commissions={currency: f"{paid:f}" for currency, paid in self._inventory.commissions().items()},
        )

    async def _send(self, message: dict[str, Any]) -> None:
        await self._connection.send(json.dumps(message))


def _fields(event: dict[str, Any], received_ns: int | None) -> ExecutionFields:
    """What the recorder takes, from what the exchange sends."""
    refused = event["event"] == "cancel_rejected"
    return ExecutionFields(
        exec_type="order_status" if refused else event["event"],
        order_status=None if refused else event["status"],
        side=event.get("side"),
        order_type="limit",
        time_in_force=event.get("time_in_force"),
        liquidity=event.get("liquidity"),
        price=event.get("price"),
        quantity=event.get("quantity"),
        last_price=event.get("last_price"),
        last_quantity=event.get("last_quantity"),
        cumulative_quantity=event.get("cumulative_quantity"),
        leaves_quantity=event.get("leaves_quantity"),
        average_price=event.get("average_price"),
        commission=event.get("fee"),
        commission_currency=event.get("fee_currency"),
        client_order_id=event["client_order_id"],
        order_id=event.get("order_id"),
        trade_id=event.get("trade_id"),
        text=event.get("reason"),
        exchange_ns=event.get("exchange_ns"),
        exchange_seq=event.get("exchange_seq"),
        received_ns=received_ns,
    )


async def run_strategy(settings: StrategySettings) -> StrategyResult:
    """Run one strategy from opening its ring to closing it.

    Raises:
        RingbufError: its ring cannot be opened.
        OSError, TimeoutError: the exchange is not there, or went away.
    """
    with Recorder.open(settings.name, capacity=settings.capacity) as recorder:
        url = f"ws://127.0.0.1:{settings.port}"
        async with connect(url, compression=None, proxy=None) as connection:
            result = await Strategy(settings, recorder, connection).run()
    result.write(settings.results)
    return result
