"""A simulated exchange as a strategy is connected to it.

Messages become updates for the order pages as they come. When the connection was cut, when a message is missing, or
when the account waits too long for something, the exchange is asked how things are, and pages and account follow.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import broadcast
from websockets.exceptions import WebSocketException

from ringbuf.demo.market import Instrument
from ringbuf.demo.venue_updates import update_of
from ringbuf.strategies.account import Account, PositionUpdate, Snapshot
from ringbuf.strategies.orders import OrderPages, OrderState
from ringbuf.strategies.reconciliation import NO_SUCH_ORDER, VenueQueries, reconcile_async

Message = dict[str, Any]

AGAIN_SECONDS: Final = 0.1
GONE_SECONDS: Final = 3.0
"""An exchange that lets nobody in for so long is not coming back."""
ANSWER_SECONDS: Final = 2.0
TIMEOUT: Final = timedelta(milliseconds=200)
"""So long something may be pending before the exchange is asked, and so often it is asked at most."""
OVERLAP_NS: Final = 2_000_000_000
FIRST_NS: Final = 60_000_000_000
"""How far back trades are asked for, at the first time."""


class Venue:
    """One exchange.

    Args:
        names: exchange, account and strategy, as they are recorded.
        port: where it listens.
        pages: get what it tells.

    Attributes:
        account: what it tells of positions.
        instruments, quotes: by symbol; a quote is bid and ask.
        opened: set once it has told that trading is open.
        found: what was asked and found: `asked`, and of what was missed `fills`, `states`, and `requests` of ours that
            had never arrived.
    """

    def __init__(self, names: Mapping[str, str], port: int, pages: OrderPages) -> None:
        self.account = Account(pages, names["exchange"], names["account"], ask=self._let_ask, timeout=TIMEOUT)
        self.instruments: dict[str, Instrument] = {}
        self.quotes: dict[str, tuple[float, float]] = {}
        self.opened = asyncio.Event()
        self.found: Counter[str] = Counter()
        self._names = names
        self._url = f"ws://127.0.0.1:{port}"
        self._pages = pages
        self._connection: ClientConnection | None = None
        self._asked = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._is_due = asyncio.Event()
        self._asking = asyncio.Lock()
        self._since_ns = time.time_ns() - FIRST_NS
        self._snapshots: list[Snapshot] = []
        self._unknown: set[str] = set()  # orders that the exchange does not know
        self._queries = VenueQueries(
            open_orders=self._open_orders, trades=self._trades, order=self._order, positions=self._positions
        )

    @property
    def is_connected(self) -> bool:
        """Whether orders can be sent now."""
        return self._connection is not None

    async def listen(self) -> None:
        """Take what the exchange sends, and connect again whenever the connection is lost.

        Raises:
            ConnectionError: the exchange is gone.
        """
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            try:
                async with connect(self._url, compression=None, proxy=None) as connection:
                    await connection.send(json.dumps({"op": "login", "client": self._names["strategy"]}))
                    async for text in connection:
                        heard = loop.time()
                        self._take(json.loads(text), connection)
            except (OSError, WebSocketException):
                pass
            self._lose()
            if loop.time() > heard + GONE_SECONDS:
                raise ConnectionError(f"the exchange {self._names['exchange']} is gone")
            await asyncio.sleep(AGAIN_SECONDS)

    async def keep_in_step(self) -> None:
        """Ask the exchange whenever that is due."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            if self.is_connected and not await self.resynchronise():
                self._is_due.set()
                await asyncio.sleep(AGAIN_SECONDS)

    async def resynchronise(self) -> bool:
        """Ask the exchange what happened; pages and account follow. Gives whether all is known then."""
        async with self._asking:
            self.found["asked"] += 1
            self._snapshots, self._unknown, now_ns = [], set(), time.time_ns()
            found = await reconcile_async(self._pages, self._queries, **self._names)
            for update in found.updates:
                self.found["fills" if update["exec_type"] == "fill" else "states"] += 1
            never_came = [each.page for each in found.doubts if each.page.client_order_id in self._unknown]
            for page in never_came:
                self._end(page)
            for snapshot in self._snapshots[-1:]:
                self.account.apply(snapshot)
            is_sure = not found.failures and not found.refused and len(never_came) == len(found.doubts)
            if is_sure:
                self._since_ns = now_ns - OVERLAP_NS
            return is_sure and not found.differences

    def send(self, message: Message) -> None:
        """Send an order or a cancel. While there is no connection it is lost, and found so later."""
        if self._connection is not None:
            broadcast((self._connection,), json.dumps(message))

    async def ask(self, op: str, **more: object) -> Any:
        """The exchange's answer to a question.

        Raises:
            ConnectionError: the connection is lost, or the exchange is busy.
            TimeoutError: there is no answer.
        """
        return (await self._ask(op, **more))["answer"]

    async def _ask(self, op: str, **more: object) -> Message:
        if self._connection is None:
            raise ConnectionError("there is no connection")
        self._asked += 1
        request = self._asked
        answer = self._answers[request] = asyncio.get_running_loop().create_future()
        self.send({"op": op, "request": request, **more})
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                message: Message = await answer
        finally:
            self._answers.pop(request, None)
        if "error" in message:
            raise ConnectionError(message["error"])
        return message

    # What it tells

    def _take(self, event: Message, connection: ClientConnection) -> None:
        if "number" in event:
            self.account.heard("reports", event["number"])
        match event["event"]:
            case "ticker":
                self.quotes = event["quotes"]
            case "open":
                self._connection = connection
                self._open(event)
            case "answer":
                answer = self._answers.get(event["request"])
                if answer is not None and not answer.done():
                    answer.set_result(event)
            case "position":
                self.account.apply(PositionUpdate(event["symbol"], event["quantity"], event["exchange_ns"]))
            case "error":
                raise ValueError(f"the exchange did not understand: {event}")
            case _:
                self._pages.apply(update_of(event, self._names) | {"received_ns": time.time_ns()})

    def _open(self, event: Message) -> None:
        for each in event["instruments"]:
            symbol = each["symbol"]
            self.instruments[symbol] = Instrument(symbol, Decimal(each["tick"]), Decimal(each["lot"]))
        self.quotes = event["quotes"]
        self._is_due.set()
        self.opened.set()

    def _lose(self) -> None:
        self._connection = None
        self.account.gap("the connection was lost")
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the connection was lost"))

    # What it is asked

    def _let_ask(self, why: str) -> None:
        self._is_due.set()

    async def _open_orders(self) -> list[Message]:
        return [update_of(each, self._names) for each in await self.ask("open_orders")]

    async def _trades(self) -> list[Message]:
        return [update_of(each, self._names) for each in await self.ask("trades", since_ns=self._since_ns)]

    async def _order(self, page: OrderState) -> Any:
        found = await self.ask("order", client_order_id=page.client_order_id)
        if found is None:
            self._unknown.add(page.client_order_id)
            return NO_SUCH_ORDER
        return update_of(found, self._names)

    async def _positions(self) -> dict[str, str]:
        asked_ns, message = self.account.asking(), await self._ask("positions")
        positions: dict[str, str] = message["answer"]
        told = {(symbol, ""): quantity for symbol, quantity in positions.items()}
        self._snapshots.append(Snapshot(asked_ns, positions=told, exchange_ns=message["exchange_ns"]))
        return positions

    def _end(self, page: OrderState) -> None:
        """End a request that the exchange does not know: it deals with messages in their order, so none will come."""
        self.found["requests"] += 1
        order = {"symbol": page.key.symbol, "client_order_id": page.client_order_id, "side": page.side}
        end = {"exec_type": "rejected", "order_status": "rejected", "text": "it never arrived"}
        self._pages.apply({**self._names, **order, **end})
