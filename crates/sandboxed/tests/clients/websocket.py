"""Answers every message, over a plain connection and over TLS. Prints both ports."""
import asyncio, ssl, sys
import websockets


async def answer(socket, *_):
    async for _ in socket:
        await socket.send(sys.argv[2])


async def serve():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.pem", "server.key")
    servers = [await websockets.serve(answer, sys.argv[1], 0, ssl=tls) for tls in (None, context)]
    print(*[server.sockets[0].getsockname()[1] for server in servers], flush=True)
    await asyncio.Future()


asyncio.run(serve())
