"""The pages that reports and expectations write, over http: the UI links to them, because no browser follows a path of a host.

Belongs here: serving these two folders of the home, and the address of a page in them. Does not: writing pages.

The home holds databases and memories beside them, so what is asked for is looked up in these folders or not at all. Like the UI
it has no login: it listens on this host unless told otherwise.
"""

from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

FOLDERS = ("reports", "expectations")


class _Pages(SimpleHTTPRequestHandler):
    """GET and HEAD below FOLDERS; everything else is not there."""

    def send_head(self) -> Any:
        home = Path(self.directory).resolve()
        asked = Path(self.translate_path(self.path)).resolve()
        if not any(asked.is_relative_to(home / folder) for folder in FOLDERS):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        # A report that was made again takes the place of the one before.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Who reads which page is nobody's news."""


class PageServer(ThreadingHTTPServer):
    """Bound when made: raises OSError where the port is taken."""

    daemon_threads = True

    def __init__(self, home: Path, host: str, port: int) -> None:
        super().__init__((host, port), partial(_Pages, directory=str(home)))

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def serve(self) -> None:
        """Until :meth:`shutdown`, or a person's Ctrl-C."""
        with suppress(KeyboardInterrupt), self:
            self.serve_forever()


def page_link(pages_url: str | None, home: Path, page: Path) -> str | None:
    """The address of a page under ``home``; None where no address of these pages is configured."""
    if pages_url is None:
        return None
    return f"{pages_url.rstrip('/')}/{quote(page.relative_to(home).as_posix())}"
