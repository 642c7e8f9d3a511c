"""The embedded server's parent: starts PostgreSQL, sleeps until nobody holds it any more, and stops it.

Belongs here: only what must outlive every process that uses the server, because a holder killed by SIGKILL cannot clean
up after itself. It runs as a script under ``python -I -S`` (20 ms, 9 MB), therefore standard library only.
Who may start it, and when, is decided in ``embedded``.
"""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TypedDict


class Account(TypedDict, total=False):
    """The arguments by which ``subprocess`` changes the user."""

    user: int
    group: int
    extra_groups: list[int]


def as_account(uid: int, gid: int) -> Account:
    """Nothing for a normal user; root must give up its rights, as PostgreSQL refuses to run with them."""
    return {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}


def keep(root: Path, uid: int, gid: int, command: list[str]) -> None:
    """Run ``command`` for as long as anyone has a shared lock on ``root/holders``.

    PostgreSQL and all its children inherit the locked descriptor of ``root/alive``, so that lock says exactly whether a
    process of the cluster exists. A recorded process id cannot: ids are reused, in a restarted container at once.
    """
    alive = os.open(root / "alive", os.O_RDWR)
    fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fork():
        return  # the starter goes on, and watches for an answer on the socket or for the lock becoming free again
    os.setsid()  # a Ctrl-C or a hang-up meant for the starter's terminal must not reach the server
    os.chdir("/")
    log = os.open(root / "server.log", os.O_WRONLY | os.O_APPEND)
    for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    server = subprocess.Popen(command, pass_fds=[alive], **as_account(uid, gid))  # noqa: S603  (built by embedded_cluster)
    os.close(alive)
    with (root / "holders").open("rb+") as holders:
        fcntl.flock(holders, fcntl.LOCK_EX)  # granted by the kernel once the last holder is gone, however it went
        server.send_signal(signal.SIGINT)  # "fast" shutdown: clients are disconnected, memory goes to disk
        server.wait()


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
