"""The hosts' SSH ports on 127.0.0.1.

Runs inside the lab's namespace with listening sockets that were opened outside of it, so that
one connection here is one connection there. Called by the supervisor as
``python -m lab.forward FD=ADDRESS …``.
"""

import asyncio
import contextlib
import socket
import struct
import sys

SSH_PORT = 22

CONNECT_TIMEOUT = 2.0
"""Seconds after which a host that does not answer counts as off."""


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1, at `port` or, where that is taken, at a free one."""
    for candidate in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
        except OSError:
            listener.close()
            continue
        listener.listen(256)
        return listener
    raise OSError("no free port on 127.0.0.1")


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction; its end is passed on as an end, not as a hang-up."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Reset a connection, so that its user learns at once."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _serve(
    address: str, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter
) -> None:
    try:
        far_reader, far_writer = await asyncio.wait_for(
            asyncio.open_connection(address, SSH_PORT), CONNECT_TIMEOUT
        )
    except (OSError, TimeoutError):
        _abort(near_writer)
        return
    for writer in (near_writer, far_writer):
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A host without power answers nothing: find out within seconds, not hours.
    raw = far_writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)
    directions = [
        asyncio.ensure_future(_relay(near_reader, far_writer)),
        asyncio.ensure_future(_relay(far_reader, near_writer)),
    ]
    try:
        await asyncio.gather(*directions)
    except (OSError, asyncio.IncompleteReadError):
        _abort(near_writer)
        _abort(far_writer)
    finally:
        for direction in directions:
            direction.cancel()
        for writer in (near_writer, far_writer):
            writer.close()


async def _run(listeners: dict[int, str]) -> None:
    servers = []
    for descriptor, address in listeners.items():

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: str = address
        ) -> None:
            await _serve(to, reader, writer)

        servers.append(await asyncio.start_server(serve, sock=socket.socket(fileno=descriptor)))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    pairs = (argument.split("=", 1) for argument in sys.argv[1:])
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run({int(descriptor): address for descriptor, address in pairs}))
