"""A proxy in front of an HTTP server that lets a share of the requests fail, drawn by a seed: refused, dropped, or cut short."""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("refused", "dropped", "lost", "short")
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextmanager
def flaky(address: str, *, share: float = 0.2, seed: int = 1, faults: tuple[str, ...] = FAULTS) -> Iterator[str]:
    """Gives the address of a proxy that fails with a probability of `share`; without a share it only passes on."""
    draw, lock = random.Random(seed), threading.Lock()
    target = address.removeprefix("http://")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                fault = draw.choice(faults) if draw.random() < share else None
            if fault == "refused":
                self.answer(503, {}, b"")
            elif fault == "dropped":
                self.close_connection = True
            else:
                self.pass_on(body, fault)

        def pass_on(self, body: bytes, fault: str | None) -> None:
            """`lost`: the server did what it was asked, and nobody is told."""
            server = http.client.HTTPConnection(target, timeout=60)
            server.request(self.command, self.path, body, {name: value for name, value in self.headers.items() if name.lower() != "expect"})
            response = server.getresponse()
            content = response.read()
            headers = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
            length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            server.close()
            if fault == "lost":
                self.close_connection = True
            else:
                self.answer(response.status, headers, content, length=length, cut=fault == "short")

        def answer(self, status: int, headers: dict[str, str], content: bytes, *, length: str | None = None, cut: bool = False) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection |= cut

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = relay  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hung up is no news here."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
