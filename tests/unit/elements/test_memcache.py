# SPDX-License-Identifier: Apache-2.0
"""What memcached sends is no program: memcache.py in front of the real python-memcached.

A server sends an item that says it is a pickle, and that makes a file when it is unpickled.
"""

import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer, ThreadingUnixStreamServer

import pytest

from altostratus.datafiles import elements_path

OURS = elements_path() / "openstack-common/static/usr/local/lib/altostratus/memcache.py"
TEXT, PICKLE = 16, 1
GET = """
import sys
import memcache
print(repr(memcache.Client([SERVER]).get("tokens/x")))
"""
# As oslo.cache's pool has it, which keystonemiddleware uses.
POOLED = """
class Pooled(memcache.Client):
    __delattr__ = object.__delattr__
    __getattribute__ = object.__getattribute__
    __setattr__ = object.__setattr__
    __new__ = object.__new__

print(repr(Pooled([(SERVER, 1)], debug=0, dead_retry=1, socket_timeout=3).get("tokens/x")))
"""


class Program:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


class Server:
    """A memcached whose every item is ``item`` with ``flags``, on a port and on a UNIX socket."""

    def __init__(self, folder: Path) -> None:
        self.item, self.flags = b"", TEXT
        outer = self

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    if line.startswith(b"get "):
                        key, size = line.split()[1], len(outer.item)
                        head = b"VALUE %s %d %d\r\n" % (key, outer.flags, size)
                        self.wfile.write(head + outer.item + b"\r\nEND\r\n")

        class Port(ThreadingTCPServer):
            daemon_threads = True

        class Socket(ThreadingUnixStreamServer):
            daemon_threads = True

        self.servers = (Port(("127.0.0.1", 0), Handler), Socket(str(folder / "s"), Handler))
        self.port = f"127.0.0.1:{self.servers[0].server_address[1]}"
        self.socket = f"unix:{folder / 's'}"
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    yield found
    found.close()


def run(server: str, ours: bool, program: str = GET) -> list[str]:
    """Return the lines that ``program`` prints, with our module before the original or not."""
    first = f"import sys; sys.path.insert(0, {str(OURS.parent)!r}); " if ours else ""
    text = f"{first}SERVER = {server!r}\n{program}"
    command = [sys.executable, "-B", "-c", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_the_original_runs_what_a_server_sends(server: Server, tmp_path: Path) -> None:
    """The reason for the module; without it this is what keystonemiddleware does."""
    server.item, server.flags = pickle.dumps(Program(tmp_path / "ran")), PICKLE
    run(server.port, ours=False)
    assert (tmp_path / "ran").exists()


def test_nothing_from_a_port_is_unpickled(server: Server, tmp_path: Path) -> None:
    server.item, server.flags = pickle.dumps(Program(tmp_path / "ran")), PICKLE
    assert run(server.port, ours=True, program=GET + POOLED) == ["None", "None"]
    assert not (tmp_path / "ran").exists()


def test_text_is_read_as_before(server: Server) -> None:
    server.item = b'{"token": "x"}'
    found = run(server.port, ours=True, program=GET + POOLED)
    assert found == ["""'{"token": "x"}'"""] * 2
    server.flags = 0
    assert run(server.port, ours=True) == ["""b'{"token": "x"}'"""]


def test_a_socket_of_this_machine_holds_what_keystone_pickles(server: Server) -> None:
    server.item, server.flags = pickle.dumps(("value", {"v": 2})), PICKLE
    assert run(server.socket, ours=True) == ["('value', {'v': 2})"]


def test_one_server_of_the_network_is_enough(server: Server, tmp_path: Path) -> None:
    server.item, server.flags = pickle.dumps(Program(tmp_path / "ran")), PICKLE
    both = GET.replace("[SERVER]", f"[{server.socket!r}, SERVER]")
    run(server.port, ours=True, program=both)
    assert not (tmp_path / "ran").exists()
