#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""console-logger.py URI: copy the console of every running container to its console.log.

libvirt buffers what a container writes to its console. Once some kilobytes are unread, writers
block: systemd, journald, cloud-init, and so the instance. Nova reads only when somebody asks for
the console log; it then finds everything in the file.

libvirt's hook (console-hook.py) reports terminals on a socket before containers use them: the words
of one that ends at once would be lost otherwise. Containers that run already are found by libvirt.
"""

import contextlib
import json
import os
import socket
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt

# Bytes.
LIMIT = 1 << 20
SOCKET = "/run/libvirt/consoles.sock"
TIMEOUT_SECONDS = 2.0


@dataclass
class Console:
    """A terminal that is being read; what it says is kept until it is known whose it is."""

    terminal: int
    watch: int = -1
    log: Path | None = None
    uuid: str = ""
    kept: bytes = b""

    def drain(self) -> bytes | None:
        """Read what there is at once, and return it.

        None: there is nothing at the moment; empty: there never will be.
        """
        try:
            text = os.read(self.terminal, 65536)
        except BlockingIOError:
            return None
        except OSError:
            text = b""
        self.kept = (self.kept + text)[-LIMIT:]
        self.flush()
        return text

    def flush(self) -> None:
        """Append what was kept to the log, if that is known."""
        if self.kept and self.log and self.log.parent.is_dir():
            append(self.log, self.kept)
            self.kept = b""


class Consoles:
    """The consoles that are being read, by terminal."""

    def __init__(self) -> None:
        """Read none yet."""
        self.open: dict[str, Console] = {}

    def read(self, path: str) -> Console | None:
        """Begin to read the terminal ``path``; return None if it is gone already."""
        known = self.open.get(path)
        if known and known.watch >= 0:
            return known
        if known:
            # Another terminal of the same name has ended.
            self.close(path)
        try:
            console = Console(os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
        except OSError:
            return None
        events = libvirt.VIR_EVENT_HANDLE_READABLE | libvirt.VIR_EVENT_HANDLE_HANGUP
        console.watch = libvirt.virEventAddHandle(console.terminal, events, self.copy, path)
        self.open[path] = console
        return console

    def attach(self, xml: str, is_running: bool = True) -> None:
        """Copy the console of the domain that ``xml`` describes to its log.

        That of one that has ended is not opened: its terminal may be somebody else's by now.
        """
        description = ElementTree.fromstring(xml)  # noqa: S314 - libvirt wrote it
        console = "./devices/console[@type='pty']"
        source, log = description.find(f"{console}/source"), description.find(f"{console}/log")
        if source is None or log is None:
            return
        path, uuid = source.attrib["path"], description.findtext("uuid", "")
        found = self.read(path) if is_running else self.open.get(path)
        if found and found.uuid in ("", uuid):
            found.uuid, found.log = uuid, Path(log.attrib["file"])
            found.flush()
            self.close_ended()

    def detach(self, uuid: str) -> None:
        """Stop to read the console of a domain, after what is left in it."""
        for path, console in list(self.open.items()):
            if console.uuid == uuid:
                while console.drain():
                    pass
                self.close(path)

    def copy(self, _watch: int, _terminal: int, _events: int, path: str) -> None:
        """Read what there is; libvirt calls this for its events."""
        console = self.open.get(path)
        if console and console.drain() == b"":
            # One that ended before it was known whose it was keeps its words until it is.
            libvirt.virEventRemoveHandle(console.watch)
            console.watch = -1
            self.close_ended()

    def close_ended(self) -> None:
        """Forget the consoles that have ended, except those that have something to say yet."""
        for path, console in list(self.open.items()):
            if console.watch < 0 and not (console.kept and console.log is None):
                self.close(path)

    def close(self, path: str) -> None:
        """Stop to read the terminal ``path``."""
        console = self.open.pop(path)
        if console.watch >= 0:
            libvirt.virEventRemoveHandle(console.watch)
        os.close(console.terminal)


def listen(consoles: Consoles) -> socket.socket:
    """Let the hook report terminals that are about to be used, and domains that use them."""
    Path(SOCKET).unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    server.bind(SOCKET)
    server.listen()

    def reported(*_: object) -> None:
        with contextlib.suppress(OSError, ValueError, ElementTree.ParseError):
            hook, _ = server.accept()
            with hook:
                hook.settimeout(TIMEOUT_SECONDS)
                report = json.loads(b"".join(iter(lambda: hook.recv(65536), b"")))
                for path in report.get("terminals", ()):
                    consoles.read(path)
                if "domain" in report:
                    consoles.attach(report["domain"], report["is_running"])

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
