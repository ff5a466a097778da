"""The simulated exchange: a process of its own that serves JSON over WebSockets on the loopback address.

A client logs in first; trading opens when all clients have logged in. Then it may send

    {"op": "new_order", "client_order_id", "symbol", "side", "price", "quantity", "time_in_force", "lifetime_ns"?}
    {"op": "cancel", "client_order_id"}
    {"op": "positions"}

and receives events: `open` (the instruments), `ticker`, `new`, `fill`, `rejected`, `canceled`, `expired`,
`cancel_rejected`, `positions`, `error`. Like a real venue it takes a moment for everything, and deals with a client's
messages in the order they came.
"""

import argparse
import asyncio
import json
import random
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from ringbuf.demo.market import OPENING_TICKS
from ringbuf.demo.matching import MatchingEngine, Message

STEP_SECONDS: Final = 0.05
DELAY_SECONDS: Final = (0.0005, 0.004)
SLOWEST_TICKER_SECONDS: Final = 0.5


class Exchange:
    """The venue as its clients see it.

    Args:
        clients: trading opens when this many have logged in.
        seed: of every random choice.
    """

    def __init__(self, clients: int, seed: int) -> None:
        self._expected = clients
        self._random = random.Random(seed)
        self._engine = MatchingEngine(seed, self._send)
        self._connections: dict[str, ServerConnection] = {}
        self._due: dict[str, float] = {}
        self._opened = asyncio.Event()

    async def handle(self, connection: ServerConnection) -> None:
        """Serve one connection from login to its end."""
        client = ""
        try:
            client = await self._login(connection)
            async for text in connection:
                self._receive(client, text)
        except ConnectionClosed:
            pass  # a client that goes away without a goodbye is daily business
        finally:
            if self._connections.get(client) is connection:
                del self._connections[client]
                self._engine.cancel_all(client)

    async def run(self) -> None:
        """Open when everybody is there, then let time pass without end."""
        await self._opened.wait()
        self._tell_everybody({"event": "open", "instruments": self._instruments(), "quotes": self._quotes()})
        ticker = min(max(STEP_SECONDS, self._expected * 0.005), SLOWEST_TICKER_SECONDS)
        loop = asyncio.get_running_loop()
        next_ticker = loop.time()
        while True:
            self._engine.step()
            if loop.time() >= next_ticker:
                self._tell_everybody({"event": "ticker", "quotes": self._quotes()})
                next_ticker = loop.time() + ticker
            await asyncio.sleep(STEP_SECONDS)

    async def _login(self, connection: ServerConnection) -> str:
        client = str(json.loads(await connection.recv())["client"])
        self._connections[client] = connection
        if len(self._connections) == self._expected:
            self._opened.set()
        return client

    def _receive(self, client: str, text: str | bytes) -> None:
        """Let a message reach the matching engine after a random delay, but not before the client's earlier ones."""
        try:
            message = json.loads(text)
            process = self._operation(message["op"])
        except (ValueError, KeyError, TypeError) as error:
            self._send(client, {"event": "error", "reason": f"not understood: {error!r}"})
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time() + self._random.uniform(*DELAY_SECONDS), self._due.get(client, 0.0) + 1e-6)
        self._due[client] = due
        loop.call_at(due, process, client, message)

    def _operation(self, name: str) -> Any:
        return {
            "new_order": self._engine.new_order,
            "cancel": self._engine.cancel,
            "positions": self._send_positions,
        }[name]

    def _send_positions(self, client: str, _: Message) -> None:
        self._send(client, {"event": "positions", "positions": self._engine.positions(client)})

    def _send(self, client: str, event: Message) -> None:
        if client in self._connections:
            broadcast((self._connections[client],), json.dumps(event))

    def _tell_everybody(self, event: Message) -> None:
        broadcast(self._connections.values(), json.dumps(event))

    def _instruments(self) -> list[Message]:
        return [{"symbol": each.symbol, "tick": str(each.tick), "lot": str(each.lot)} for each in OPENING_TICKS]

    def _quotes(self) -> dict[str, tuple[float, float]]:
        markets = self._engine.markets.values()
        return {
            each.instrument.symbol: (each.instrument.price(each.bid), each.instrument.price(each.ask))
            for each in markets
        }


async def _serve(clients: int, seed: int) -> None:
    exchange = Exchange(clients, seed)
    async with serve(exchange.handle, "127.0.0.1", 0, compression=None) as server:
        (listening,) = server.sockets
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
        await exchange.run()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="exchange")
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.clients, arguments.seed))


if __name__ == "__main__":
    main()
