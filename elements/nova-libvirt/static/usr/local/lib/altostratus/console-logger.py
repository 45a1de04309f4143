#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""console-logger.py URI: copy the console of every running container to its console.log.

libvirt keeps what a container writes to its console for a reader. Without one it stops taking it
after some kilobytes, and who writes then hangs: systemd, journald, cloud-init, so the instance.
Nova reads only when somebody asks for the console log; it then finds all in the file.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import libvirt

LIMIT = 1 << 20


class Consoles:
    """The consoles that are being read, by domain."""

    def __init__(self):
        """Read none yet."""
        self.handles = {}

    def attach(self, domain):
        """Read the console of a running domain from now on."""
        self.detach(domain)
        description = ElementTree.fromstring(domain.XMLDesc())  # noqa: S314 - libvirt wrote it
        device = description.find("./devices/console[@type='pty']")
        log = device.find("log")
        if log is None:
            return
        terminal = os.open(
            device.find("source").get("path"), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK
        )
        events = libvirt.VIR_EVENT_HANDLE_READABLE | libvirt.VIR_EVENT_HANDLE_HANGUP
        watch = libvirt.virEventAddHandle(terminal, events, self.copy, (domain, log.get("file")))
        self.handles[domain.UUIDString()] = (watch, terminal)

    def detach(self, domain):
        """Read the console of a domain no longer."""
        watch, terminal = self.handles.pop(domain.UUIDString(), (None, None))
        if watch is not None:
            libvirt.virEventRemoveHandle(watch)
            os.close(terminal)

    def copy(self, _watch, terminal, _events, opaque):
        """Append what there is to read to the log."""
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


def append(log, text):
    """Append to a log, which keeps its last half when it grows over LIMIT bytes."""
    with log.open("ab") as target:
        target.write(text)
    if log.stat().st_size > LIMIT:
        with log.open("r+b") as file:
            file.seek(-LIMIT // 2, os.SEEK_END)
            rest = file.read()
            file.seek(0)
            file.truncate()
            file.write(rest)


def main(argv):
    """Follow the domains of a connection until it breaks; systemd starts anew."""
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.open(argv[0])
    consoles = Consoles()
    broken = []

    def changed(_connection, domain, event, _detail, _opaque):
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
