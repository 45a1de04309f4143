#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""console-logger.py URI: copy the console of every running container to its console.log.

libvirt buffers what a container writes to its console. Once some kilobytes are unread, writers
block: systemd, journald, cloud-init, and so the instance. Nova reads only when somebody asks for
the console log; it then finds everything in the file.

libvirt's hook (console-hook.py) reports a container before it runs, on a socket: the first lines of
one that ends at once would be lost otherwise. Containers that run already are found by libvirt.
"""

import contextlib
import os
import socket
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, NamedTuple

import libvirt

# Bytes.
LIMIT = 1 << 20
SOCKET = "/run/libvirt/consoles.sock"
TIMEOUT_SECONDS = 2.0


class Consoles:
    """The consoles that are being read, by domain."""

    def __init__(self) -> None:
        """Read none yet."""
        self.handles: dict[str, Console] = {}

    def attach(self, xml: str) -> None:
        """Start to read the console of the domain that ``xml`` describes."""
        description = ElementTree.fromstring(xml)  # noqa: S314 - libvirt wrote it
        console = "./devices/console[@type='pty']"
        source, log = description.find(f"{console}/source"), description.find(f"{console}/log")
        uuid = description.findtext("uuid", "")
        if source is None or log is None:
            return
        path = source.attrib["path"]
        if uuid in self.handles and self.handles[uuid].path == path:
            return
        self.detach(uuid)
        try:
            terminal = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            # The guest has ended already.
            return
        events = libvirt.VIR_EVENT_HANDLE_READABLE | libvirt.VIR_EVENT_HANDLE_HANGUP
        watch = libvirt.virEventAddHandle(terminal, events, self.copy, uuid)
        self.handles[uuid] = Console(path, Path(log.attrib["file"]), terminal, watch)

    def detach(self, uuid: str) -> None:
        """Stop to read the console of a domain, after what is left in it."""
        console = self.handles.pop(uuid, None)
        if console:
            while drain(console):
                pass
            libvirt.virEventRemoveHandle(console.watch)
            os.close(console.terminal)

    def copy(self, _watch: int, _terminal: int, _events: int, uuid: str) -> None:
        """Append what can be read to the log; libvirt calls this for its events."""
        console = self.handles.get(uuid)
        if console and drain(console) == b"":
            self.detach(uuid)


class Console(NamedTuple):
    """A console that is being read."""

    path: str
    log: Path
    terminal: int
    watch: int


def drain(console: Console) -> bytes | None:
    """Append what can be read at once to the log, and return it.

    None: there is nothing at the moment; empty: there never will be.
    """
    try:
        text = os.read(console.terminal, 65536)
    except BlockingIOError:
        return None
    except OSError:
        text = b""
    if text and console.log.parent.is_dir():
        append(console.log, text)
    return text


def listen(consoles: Consoles) -> socket.socket:
    """Let the hook report domains that are about to start."""
    Path(SOCKET).unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    server.bind(SOCKET)
    server.listen()

    def reported(*_: object) -> None:
        with contextlib.suppress(OSError, ElementTree.ParseError):
            hook, _ = server.accept()
            with hook:
                hook.settimeout(TIMEOUT_SECONDS)
                consoles.attach(b"".join(iter(lambda: hook.recv(65536), b"")).decode())

    libvirt.virEventAddHandle(server.fileno(), libvirt.VIR_EVENT_HANDLE_READABLE, reported, None)
    return server


def append(log: Path, text: bytes) -> None:
    """Append to a log; one that has grown over LIMIT bytes keeps its last LIMIT / 2."""
    with log.open("ab") as target:
        target.write(text)
    if log.stat().st_size > LIMIT:
        with log.open("r+b") as file:
            file.seek(-LIMIT // 2, os.SEEK_END)
            rest = file.read()
            file.seek(0)
            file.truncate()
            file.write(rest)


def main(argv: list[str]) -> str:
    """Follow the domains of a connection until it breaks; systemd then restarts this program."""
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.open(argv[0])
    consoles = Consoles()
    server = listen(consoles)
    broken: list[bool] = []

    def changed(_connection: Any, domain: Any, event: int, _detail: int, _opaque: object) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            # It may be gone already.
            with contextlib.suppress(libvirt.libvirtError):
                consoles.attach(domain.XMLDesc())
        elif event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            consoles.detach(domain.UUIDString())

    connection.registerCloseCallback(lambda *_: broken.append(True), None)
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, changed, None)
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        consoles.attach(domain.XMLDesc())
    while not broken:
        libvirt.virEventRunDefaultImpl()
    server.close()
    return "the connection to libvirt is broken"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
