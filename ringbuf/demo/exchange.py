"""A simulated exchange: a process of its own that serves JSON over WebSockets on the loopback address.

A client logs in first; trading opens when all clients have logged in. Then it may send

    {"op": "new_order", "client_order_id", "symbol", "side", "quantity", "time_in_force", "order_type"?, "price"?,
     "lifetime_ns"?}
    {"op": "cancel", "client_order_id"}

and receives events: `open` (the instruments), `ticker`, `error`; and, in a stream that loses, repeats, delays and
reorders them (see `Feed`), `new`, `fill`, `rejected`, `canceled`, `expired`, `cancel_rejected` and `position`. It may
also ask, and an `answer` with the same `request` says how things really are, or that the exchange is too busy:

    {"op": "open_orders" | "trades" | "order" | "positions" | "faults", "request", "since_ns"?, "client_order_id"?}

Like a real venue it takes a moment for everything, and deals with a client's messages in the order they came. Once in a
run it cuts the connection of each client. Orders go on working then, and a client that logs in again ends whatever it
had sent through an older connection and was not yet read.
"""

import argparse
import asyncio
import json
import random
import time
from functools import partial
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from ringbuf.demo.feed import Feed
from ringbuf.demo.market import EXCHANGES
from ringbuf.demo.matching import MatchingEngine, Message
from ringbuf.demo.venue_history import VenueHistory

STEP_SECONDS: Final = 0.05
DELAY_SECONDS: Final = (0.0005, 0.004)
SLOWEST_TICKER_SECONDS: Final = 0.5
AWAY_SECONDS: Final = 0.3
"""How long a client whose connection was cut is not let in again."""
CUT_WITHIN: Final = (0.25, 0.75)
"""In which part of a run that happens."""
BUSY: Final = 0.03
"""Share of questions that it is too busy to answer."""


class Exchange:
    """The venue as its clients see it.

    Args:
        name: one of `EXCHANGES`.
        clients: trading opens when this many have logged in.
        seconds: how long they trade.
        seed: of every random choice.
    """

    def __init__(self, name: str, clients: int, seconds: float, seed: int) -> None:
        self._expected = clients
        self._seconds = seconds
        self._random = random.Random(f"{seed}/{name}")
        self._engine = MatchingEngine(self._random.getrandbits(32), self._on_report, EXCHANGES[name])
        self._history = VenueHistory()
        self._connections: dict[str, ServerConnection] = {}
        self._feeds: dict[str, Feed] = {}
        self._due: dict[str, float] = {}
        self._away_until: dict[str, float] = {}
        self._opened = asyncio.Event()

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one connection from login to its end."""
        client = ""
        try:
            client = await self._login(connection)
            if not client:
                return
            async for text in connection:
                if self._connections.get(client) is not connection:
                    break  # it has logged in again meanwhile
                self._receive(client, text)
        except ConnectionClosed:
            pass  # a client that goes away without a goodbye is daily business
        finally:
            if self._connections.get(client) is connection:
                del self._connections[client]

    async def run(self) -> None:
        """Open when everybody is there, then let time pass without end."""
        await self._opened.wait()
        loop = asyncio.get_running_loop()
        for client in list(self._feeds):
            self._open(client)
            loop.call_later(self._random.uniform(*CUT_WITHIN) * self._seconds, self._cut, client)
        ticker = min(max(STEP_SECONDS, self._expected * 0.005), SLOWEST_TICKER_SECONDS)
        next_ticker = loop.time()
        while True:
            self._engine.step()
            if loop.time() >= next_ticker:
                quotes = json.dumps({"event": "ticker", "quotes": self._quotes()})
                broadcast(self._connections.values(), quotes)
                next_ticker = loop.time() + ticker
            await asyncio.sleep(STEP_SECONDS)

    async def _login(self, connection: ServerConnection) -> str:
        """The client's name; empty if it is not let in."""
        client = str(json.loads(await connection.recv())["client"])
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until.get(client, 0.0):
            return ""
        self._connections[client] = connection
        if client not in self._feeds:
            self._feeds[client] = Feed(self._random, partial(self._send, client), loop.call_later)
        if self._opened.is_set():
            self._open(client)
        elif len(self._connections) == self._expected:
            self._opened.set()
        return client

    def _open(self, client: str) -> None:
        """Tell a client that it may trade, and the number of the last message before that."""
        instruments = [
            {"symbol": each.symbol, "tick": str(each.tick), "lot": str(each.lot)}
            for each in (market.instrument for market in self._engine.markets.values())
        ]
        event = {"event": "open", "instruments": instruments, "quotes": self._quotes()}
        self._send(client, event | {"number": self._feeds[client].number})

    def _cut(self, client: str) -> None:
        """Cut a client's connection."""
        self._away_until[client] = asyncio.get_running_loop().time() + AWAY_SECONDS
        connection = self._connections.pop(client, None)
        if connection is not None:
            self._feeds[client].faults["cut"] += 1
            connection.transport.abort()

    # What clients send

    def _receive(self, client: str, text: str | bytes) -> None:
        """Let a message reach the exchange after a random delay, but not before the client's earlier ones."""
        try:
            message = json.loads(text)
            process = self._operation(message)
        except (ValueError, KeyError, TypeError) as error:
            self._send(client, {"event": "error", "reason": f"not understood: {error!r}"})
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time() + self._random.uniform(*DELAY_SECONDS), self._due.get(client, 0.0) + 1e-6)
        self._due[client] = due
        loop.call_at(due, process, client, message)

    def _operation(self, message: Message) -> Any:
        orders = {"new_order": self._engine.new_order, "cancel": self._engine.cancel}
        if message["op"] in orders:
            return orders[message["op"]]
        questions = {
            "open_orders": lambda client: self._history.open_orders(client),
            "trades": lambda client: self._history.trades(client, int(message["since_ns"])),
            "order": lambda client: self._history.order(client, str(message["client_order_id"])),
            "positions": lambda client: self._engine.positions(client),
            "faults": lambda client: dict(self._feeds[client].faults),
        }
        return partial(self._answer, questions[message["op"]], int(message["request"]))

    def _answer(self, question: Any, request: int, client: str, _: Message) -> None:
        answer: Message = {"event": "answer", "request": request, "exchange_ns": time.time_ns()}
        if self._random.random() < BUSY:
            self._send(client, answer | {"error": "the exchange is busy"})
        else:
            self._send(client, answer | {"answer": question(client)})

    # What they get

    def _on_report(self, client: str, event: Message) -> None:
        """Keep what happened to an order, and let the client's feed tell it."""
        self._history.note(client, event)
        feed = self._feeds[client]
        feed.tell(event)
        if event["event"] == "fill":
            symbol, now = event["symbol"], event["exchange_ns"]
            quantity = self._engine.positions(client)[symbol]
            feed.tell({"event": "position", "symbol": symbol, "quantity": quantity, "exchange_ns": now})

    def _send(self, client: str, event: Message) -> None:
        if client in self._connections:
            broadcast((self._connections[client],), json.dumps(event))

    def _quotes(self) -> dict[str, tuple[float, float]]:
        markets = self._engine.markets.values()
        return {
            each.instrument.symbol: (each.instrument.price(each.bid), each.instrument.price(each.ask))
            for each in markets
        }


async def _serve(name: str, clients: int, seconds: float, seed: int) -> None:
    exchange = Exchange(name, clients, seconds, seed)
    async with serve(exchange.handle, "127.0.0.1", 0, compression=None) as server:
        (listening,) = server.sockets
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
        await exchange.run()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="exchange")
    parser.add_argument("--name", choices=list(EXCHANGES), required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    asyncio.run(_serve(given.name, given.clients, given.seconds, given.seed))


if __name__ == "__main__":
    main()
