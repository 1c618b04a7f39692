"""A web server on loopback that does what the worst of the web does, and keeps a log of who asked for what, and how often at once."""

import asyncio
import contextlib
import functools
import gzip
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

ADDRESS = "127.0.0.2"
"""Not 127.0.0.1, so that a test can allow this one address and see the other refused."""

Writer = asyncio.StreamWriter
Answer = Callable[["HostileServer", str, Writer], Awaitable[None]]


@dataclass
class HostileServer:
    """Serves `pictures` by path, and misbehaviours under the names of `ANSWERS`."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    delay_seconds: float = 0.0
    delays: dict[str, float] = field(default_factory=dict)
    """Seconds for single paths, instead."""
    requests: Counter[str] = field(default_factory=Counter)
    heads: list[str] = field(default_factory=list)
    peak: Counter[str] = field(default_factory=Counter)
    log: list[tuple[float, str, str]] = field(default_factory=list)
    """Of every request: when it came, in seconds of a monotonic clock, for which host and path."""
    files: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """Status and text by host and path, before anything else: robots.txt and the like."""
    answers: dict[str, list[tuple[str, tuple[tuple[str, str], ...]]]] = field(default_factory=dict)
    """Statuses and headers by path, each given once, before the path is served."""
    gates: dict[str, Callable[[], bool]] = field(default_factory=dict)
    """By path, what must be true before it is served."""
    port: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._active: Counter[str] = Counter()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._handle, ADDRESS, 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def url(self, path: str, host: str = "a.example") -> str:
        """The URL of a path on one of the hosts that all are this server."""
        return f"http://{host}:{self.port}{path}"

    @property
    def pins(self) -> tuple[str, ...]:
        """What `--resolve` needs to be given."""
        return (f"*:{self.port}:{ADDRESS}",)

    async def _handle(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                first = await reader.readexactly(1)
                if first == b"\x16":  # a TLS hello, answered in the clear
                    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    break
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                host = next(
                    (line[6:] for line in head.split("\r\n") if line.lower().startswith("host: ")), ""
                ).partition(":")[0]
                self.requests[path] += 1
                self.log.append((time.monotonic(), host, path))
                self.heads.append(head)
                self._active[host] += 1
                self.peak[host] = max(self.peak[host], self._active[host])
                try:
                    pause = self.delays.get(path, self.delay_seconds)
                    if pause:
                        await asyncio.sleep(pause)
                    answer = ANSWERS.get(path.split("?")[0].strip("/").split("/")[0])
                    while path in self.gates and not self.gates[path]():  # noqa: ASYNC110 - a test's own question
                        await asyncio.sleep(0.02)
                    if (host, path) in self.files:
                        status, text = self.files[host, path]
                        await respond(writer, text, status, kind="text/plain")
                    elif self.answers.get(path):
                        status, more = self.answers[path].pop(0)
                        await respond(writer, b"", status, headers=more)
                    elif answer is not None:
                        await answer(self, path, writer)
                    elif path in self.pictures:
                        await respond(writer, self.pictures[path], headers=self.headers.get(path, ()))
                    else:
                        await respond(writer, b"nothing here", status="404 Not Found", kind="text/plain")
                    await writer.drain()
                finally:
                    self._active[host] -= 1
                if writer.is_closing():
                    return
        writer.close()


async def respond(
    writer: Writer,
    body: bytes,
    status: str = "200 OK",
    *,
    kind: str = "image/jpeg",
    headers: tuple[tuple[str, str], ...] = (),
    length: int | None = None,
) -> None:
    """An ordinary response."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body) if length is None else length}",
    ]
    lines += [f"{name}: {value}" for name, value in headers]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


def _redirect(to: str) -> Answer:
    async def answer(server: HostileServer, path: str, writer: Writer) -> None:
        await respond(writer, b"", "302 Found", headers=(("Location", to.replace("PORT", str(server.port))),))

    return answer


async def _endless(server: HostileServer, path: str, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
    while True:
        writer.write(b"\xff\xd8\xff" + bytes(65_536))
        await writer.drain()


async def _endless_chunks(server: HostileServer, path: str, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
        await writer.drain()


async def _slow_loris(server: HostileServer, path: str, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Slow: a\r\n")
        await writer.drain()
        await asyncio.sleep(0.2)


async def _slow_body(server: HostileServer, path: str, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.2)


async def _too_short(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, b"\xff\xd8\xff only this", length=5_000)
    await writer.drain()
    writer.close()


async def _declared_large(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, b"\xff\xd8\xff", length=10**12)
    await writer.drain()
    writer.close()


@functools.cache
def bomb(head: bytes = b"", megabytes: int = 50) -> bytes:
    """Some kilobytes of gzip that mean many megabytes, and begin like something. Put together from one block, to be quick."""
    zeros = bytes(1_000_000)
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    first, block = (
        compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH) for data in (head + zeros[len(head) :], zeros)
    )
    check = zlib.crc32(zeros[len(head) :], zlib.crc32(head))
    for _ in range(megabytes - 1):
        check = zlib.crc32(zeros, check)
    end = compressor.flush() + struct.pack("<II", check, megabytes * len(zeros))
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + first + block * (megabytes - 1) + end


async def _gzip_bomb(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, bomb(), headers=(("Content-Encoding", "gzip"),))


async def _gzip_bomb_jpeg(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, bomb(b"\xff\xd8\xff"), headers=(("Content-Encoding", "gzip"),))


async def _gzipped(server: HostileServer, path: str, writer: Writer) -> None:
    body = gzip.compress(server.pictures["/good.jpg"])
    await respond(writer, body, headers=(("Content-Encoding", "gzip"),))


async def _strange_coding(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, b"abc", headers=(("Content-Encoding", "dcz"),))


async def _reset(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, b"\xff\xd8\xff", length=100_000)
    await writer.drain()
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _hang_up(server: HostileServer, path: str, writer: Writer) -> None:
    writer.close()


async def _long_header(server: HostileServer, path: str, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(16_384):  # a gigabyte, if anybody takes it
        writer.write(b"a" * 65_536)
        await writer.drain()
    writer.write(b"\r\n\r\n")


async def _many_headers(server: HostileServer, path: str, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        writer.write(b"X-%d: a\r\n" % number)
        await writer.drain()


async def _not_http(server: HostileServer, path: str, writer: Writer) -> None:
    writer.write(b"220 mail.example ESMTP ready\r\n\r\n")
    await writer.drain()
    writer.close()


async def _html(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, b"<!doctype html><title>Not here</title>", kind="image/jpeg")


async def _lying_type(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, server.pictures["/good.jpg"], kind="text/html")


async def _once(server: HostileServer, path: str, writer: Writer, status: str, retry: str | None) -> None:
    headers = (("Retry-After", retry),) if retry else ()
    if server.requests[path] == 1:
        await respond(writer, b"later", status, kind="text/plain", headers=headers)
    else:
        await respond(writer, server.pictures["/good.jpg"])


async def _later(server: HostileServer, path: str, writer: Writer) -> None:
    await _once(server, path, writer, "429 Too Many Requests", "0")


async def _flaky(server: HostileServer, path: str, writer: Writer) -> None:
    await _once(server, path, writer, "503 Service Unavailable", None)


async def _much_later(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, b"", "429 Too Many Requests", headers=(("Retry-After", "3600"),))


async def _storm(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, b"", "500 Internal Server Error")


async def _opted_out(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, server.pictures["/good.jpg"], headers=(("X-Robots-Tag", "noai, noimageai"),))


async def _reserved(server: HostileServer, path: str, writer: Writer) -> None:
    await respond(writer, server.pictures["/good.jpg"], headers=(("TDM-Reservation", "1"),))


ANSWERS: dict[str, Answer] = {
    "endless": _endless,
    "endless-chunks": _endless_chunks,
    "slow-loris": _slow_loris,
    "slow-body": _slow_body,
    "too-short": _too_short,
    "declared-large": _declared_large,
    "gzip-bomb": _gzip_bomb,
    "gzip-bomb-jpeg": _gzip_bomb_jpeg,
    "gzipped": _gzipped,
    "strange-coding": _strange_coding,
    "reset": _reset,
    "hang-up": _hang_up,
    "long-header": _long_header,
    "many-headers": _many_headers,
    "not-http": _not_http,
    "html": _html,
    "lying-type": _lying_type,
    "later": _later,
    "much-later": _much_later,
    "flaky": _flaky,
    "storm": _storm,
    "opted-out": _opted_out,
    "reserved": _reserved,
    "loop": _redirect("/loop"),
    "to-loopback": _redirect("http://127.0.0.1:PORT/good.jpg"),
    "to-metadata": _redirect("http://169.254.169.254/latest/meta-data"),
    "to-number": _redirect("http://2130706433:PORT/good.jpg"),
    "to-mapped": _redirect("http://[::ffff:127.0.0.1]:PORT/good.jpg"),
    "to-file": _redirect("file:///etc/passwd"),
    "to-nonsense": _redirect("http://[oops/"),
    "to-other-host": _redirect("http://b.example:PORT/good.jpg"),
}
