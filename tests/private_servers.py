"""Database servers that live as long as a test or a session: where a machine has none, or a shared one must not suffer it."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError


def answers(url: str) -> bool:
    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect():
            return True
    except DBAPIError:
        return False
    finally:
        engine.dispose()


def private_mariadb(folder: Path, *options: str) -> Iterator[str]:
    """The URL of a server of one's own, for as long as the iteration lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ["--user=root"] if os.geteuid() == 0 else []
    data = folder / "data"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", *user, f"--datadir={data}", "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        ["mariadbd", "--no-defaults", *user, f"--datadir={data}", f"--socket={folder}/s", f"--port={port}", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"mysql+pymysql://root@127.0.0.1:{port}/"
    try:
        deadline = time.monotonic() + 60
        while not answers(url):
            assert server.poll() is None, "the private mariadbd ended at once"
            assert time.monotonic() < deadline, "the private mariadbd did not answer within a minute"
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(30)
