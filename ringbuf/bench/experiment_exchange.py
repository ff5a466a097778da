"""The exchange of the experiment: order messages over WebSockets at random gaps, on as many connections as come."""

import asyncio
import json
import random
import time
from multiprocessing.connection import Connection
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

SIDES = ("buy", "sell")


async def _handle(connection: ServerConnection) -> None:
    """Send what the first message asks for: `orders` of them, `gap` seconds apart in the mean."""
    request: dict[str, Any] = json.loads(await connection.recv())
    chance = random.Random(request["seed"])
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number in range(request["orders"]):
        due += chance.expovariate(1 / request["gap"])
        message = {
            "event": "new",
            "status": "new",
            "symbol": "BTC-PERPETUAL",
            "side": chance.choice(SIDES),
            "price": 64_000 + chance.randrange(-2_000, 2_000) / 2,
            "quantity": chance.randint(1, 50) / 1_000,
            "client_order_id": f"c{request['seed']}-{number}",
            "order_id": str(chance.randrange(10**18, 10**19)),
        }
        ahead = due - loop.time()
        if ahead > 0:
            await asyncio.sleep(ahead)
        await connection.send(json.dumps(message | {"sent_ns": time.time_ns()}))
    await connection.send(json.dumps({"event": "end"}))
    await connection.wait_closed()


async def _serve(answers: Connection) -> None:
    async with serve(_handle, "127.0.0.1", 0, compression=None) as server:
        (listening,) = server.sockets
        answers.send(listening.getsockname()[1])
        await server.serve_forever()


def serve_orders(answers: Connection) -> None:
    """Serve until the process is ended; the port is the one answer."""
    asyncio.run(_serve(answers))
