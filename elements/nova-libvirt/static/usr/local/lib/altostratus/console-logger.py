#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""console-logger.py URI: copy the console of every running container to its console.log.

libvirt buffers what a container writes to its console. Once some kilobytes are unread, writers
block: systemd, journald, cloud-init, and so the instance. Nova reads only when somebody asks for
the console log; it then finds everything in the file.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import libvirt

# Bytes.
LIMIT = 1 << 20


class Consoles:
    """The consoles that are being read, by domain."""

    def __init__(self) -> None:
        """Read none yet."""
        self.handles: dict[str, tuple[int, int]] = {}

    def attach(self, domain: Any) -> None:
        """Start to read the console of a running domain."""
        self.detach(domain)
        description = ElementTree.fromstring(domain.XMLDesc())  # noqa: S314 - libvirt wrote it
        console = "./devices/console[@type='pty']"
        source, log = description.find(f"{console}/source"), description.find(f"{console}/log")
        if source is None or log is None:
            return
        terminal = os.open(source.attrib["path"], os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        events = libvirt.VIR_EVENT_HANDLE_READABLE | libvirt.VIR_EVENT_HANDLE_HANGUP
        opaque = (domain, log.attrib["file"])
        watch = libvirt.virEventAddHandle(terminal, events, self.copy, opaque)
        self.handles[domain.UUIDString()] = (watch, terminal)

    def detach(self, domain: Any) -> None:
        """Stop to read the console of a domain."""
        handle = self.handles.pop(domain.UUIDString(), None)
        if handle:
            watch, terminal = handle
            libvirt.virEventRemoveHandle(watch)
            os.close(terminal)

    def copy(self, _watch: int, terminal: int, _events: int, opaque: tuple[Any, str]) -> None:
        """Append what can be read to the log; libvirt calls this for its events."""
        domain, log = opaque
        try:
            text = os.read(terminal, 65536)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        if text and Path(log).parent.is_dir():
            append(Path(log), text)
        elif not text:
            self.detach(domain)


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
    broken: list[bool] = []

    def changed(_connection: Any, domain: Any, event: int, _detail: int, _opaque: object) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            consoles.attach(domain)
        elif event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            consoles.detach(domain)

    connection.registerCloseCallback(lambda *_: broken.append(True), None)
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, changed, None)
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        consoles.attach(domain)
    while not broken:
        libvirt.virEventRunDefaultImpl()
    return "the connection to libvirt is broken"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
