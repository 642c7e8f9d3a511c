"""Pages over http: those of reports and expectations are there, and nothing else of the home is."""

import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from vici_brain.errors import ConfigurationError
from vici_brain.orchestration.page_server import PageServer, page_link
from vici_brain.settings import load_settings


@pytest.fixture
def served(tmp_path: Path) -> Iterator[PageServer]:
    for name, text in (("reports/2025-06-10/call report.html", "<p>the report</p>"), ("dialer-vici.sqlite3", "secret")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "reports" / "out").symlink_to(tmp_path / "dialer-vici.sqlite3")
    server = PageServer(tmp_path, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()


def asked(server: PageServer, path: str, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_page_is_where_its_link_says(served: PageServer, tmp_path: Path) -> None:
    link = page_link(f"{served.url}/", tmp_path, tmp_path / "reports" / "2025-06-10" / "call report.html")
    assert link == f"{served.url}/reports/2025-06-10/call%20report.html"
    assert asked(served, link.removeprefix(served.url)) == (200, "<p>the report</p>")
    assert page_link(None, tmp_path, tmp_path / "reports") is None


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/dialer-vici.sqlite3", "/reports/../dialer-vici.sqlite3", "/reports/%2e%2e/dialer-vici.sqlite3"),
        *("/reports/out", "/reports/..%2fdialer-vici.sqlite3", "//etc/passwd", "/expectations/none.html"),
    ],
)
def test_nothing_else_of_the_home_is_there(served: PageServer, path: str) -> None:
    status, text = asked(served, path)
    assert status == 404
    assert "secret" not in text


def test_nothing_can_be_written(served: PageServer) -> None:
    assert asked(served, "/reports/new.html", "PUT")[0] == 501


def test_an_address_that_is_none_is_refused() -> None:
    assert load_settings({"PAGES_URL": "https://pages.example.internal"}).pages_url == "https://pages.example.internal"
    with pytest.raises(ConfigurationError, match="PAGES_URL is 'pages:3001'"):
        load_settings({"PAGES_URL": "pages:3001"})
