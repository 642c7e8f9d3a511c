"""Where the tests' alerts arrive: an HTTP server that keeps what Apprise posts to it, and an SMTP server that keeps mails."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class WebhookSink:
    """``status`` is what it answers with, 400 if a text is over ``longest``; posts are kept whatever it answers."""

    port: int = 0
    status: int = 200
    longest: int | None = None
    posts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook/s3cretToken"

    @property
    def chat_url(self) -> str:
        """The same server as a Mattermost."""
        return f"mmost://127.0.0.1:{self.port}/s3cretToken"

    @property
    def titles(self) -> list[str]:
        return [post["title"] for post in self.posts]


@contextmanager
def webhook_sink() -> Iterator[WebhookSink]:
    sink = WebhookSink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            post = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sink.posts.append(post)
            too_long = sink.longest is not None and len(post.get("text", "")) > sink.longest
            self.send_response(400 if too_long else sink.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()


class _MailHandler(socketserver.StreamRequestHandler):
    """As much of SMTP as smtplib asks of a server."""

    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        while line := self.rfile.readline():
            match line.split()[0].upper().decode() if line.split() else "":
                case "EHLO" | "HELO":
                    self.wfile.write(b"250 sink\r\n")
                case "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mail = bytearray()
                    while (part := self.rfile.readline()) not in (b".\r\n", b""):
                        mail += part
                    self.server.mails.append(mail.decode())  # type: ignore[attr-defined]
                    self.wfile.write(b"250 kept\r\n")
                case "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 fine\r\n")


@contextmanager
def mail_sink() -> Iterator[tuple[str, list[str]]]:
    """An Apprise URL, and the mails that came."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _MailHandler) as server:
        mails: list[str] = []
        server.mails = mails  # type: ignore[attr-defined]
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            port = server.server_address[1]
            yield f"mailto://127.0.0.1:{port}?from=brain@example.org&to=people@example.org&smtp=127.0.0.1&mode=insecure", mails
        finally:
            server.shutdown()
            thread.join()
