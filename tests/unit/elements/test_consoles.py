# SPDX-License-Identifier: Apache-2.0
"""Consoles of containers: the logger and libvirt's hook, with terminals and without libvirt."""

import importlib.util
import io
import os
import pty
import sys
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from altostratus.datafiles import elements_path

LIBRARY = elements_path() / "nova-libvirt/static/usr/local/lib/altostratus"
UUID = "7d5d6a43-0fc1-4f9a-a8a2-2e9a3e1a2c11"
XML = """<domain><uuid>{uuid}</uuid><devices><console type='pty'>
<source path='{source}'/><log file='{log}'/></console></devices></domain>"""


class Libvirt(ModuleType):
    """As much of libvirt's event loop as the logger uses; tests call what it would."""

    VIR_EVENT_HANDLE_READABLE = 1
    VIR_EVENT_HANDLE_HANGUP = 8
    libvirtError = OSError

    def __init__(self) -> None:
        super().__init__("libvirt")
        self.watched: dict[int, Callable[[], None]] = {}

    def virEventAddHandle(self, handle: int, events: int, callback: Any, opaque: Any) -> int:  # noqa: N802
        self.watched[handle] = lambda: callback(handle, handle, events, opaque)
        return handle

    def virEventRemoveHandle(self, watch: int) -> None:  # noqa: N802
        del self.watched[watch]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, LIBRARY / f"console-{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def libvirt(monkeypatch: pytest.MonkeyPatch) -> Libvirt:
    made = Libvirt()
    monkeypatch.setitem(sys.modules, "libvirt", made)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return made


@pytest.fixture
def logger(libvirt: Libvirt) -> ModuleType:
    return load("logger")


class Guest:
    """A guest's console: what it writes, the domain's XML, and the log."""

    def __init__(self, directory: Path) -> None:
        self.terminal, slave = pty.openpty()
        tty.setraw(slave)
        self.log = directory / "console.log"
        self.path = os.ttyname(slave)
        self.xml = XML.format(uuid=UUID, source=self.path, log=self.log)
        self._slave = slave

    def writes(self, text: bytes) -> None:
        os.write(self.terminal, text)

    def ends(self) -> None:
        os.close(self._slave)
        os.close(self.terminal)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def test_a_console_is_copied(logger: ModuleType, libvirt: Libvirt, guest: Guest) -> None:
    consoles = logger.Consoles()
    consoles.attach(guest.xml)
    (look,) = libvirt.watched.values()
    guest.writes(b"one\n")
    look()
    # Nothing new is no end.
    look()
    guest.writes(b"two\n")
    look()
    assert guest.log.read_bytes() == b"one\ntwo\n"
    guest.ends()
    look()
    assert not libvirt.watched


def test_what_is_left_is_read_when_the_domain_stops(
    logger: ModuleType, libvirt: Libvirt, guest: Guest
) -> None:
    consoles = logger.Consoles()
    consoles.attach(guest.xml)
    guest.writes(b"the end\n")
    consoles.detach(UUID)
    assert guest.log.read_bytes() == b"the end\n"
    assert not libvirt.watched
    consoles.detach(UUID)


def test_a_console_is_read_once(logger: ModuleType, libvirt: Libvirt, guest: Guest) -> None:
    consoles = logger.Consoles()
    consoles.attach(guest.xml)
    handles = list(libvirt.watched)
    consoles.attach(guest.xml)
    assert list(libvirt.watched) == handles


def test_a_guest_that_ended_already_is_passed_over(
    logger: ModuleType, libvirt: Libvirt, tmp_path: Path
) -> None:
    gone = XML.format(uuid=UUID, source=tmp_path / "none", log=tmp_path / "log")
    logger.Consoles().attach(gone)
    assert not libvirt.watched


def test_the_words_of_a_guest_that_ended_at_once_are_kept(
    logger: ModuleType, libvirt: Libvirt, guest: Guest
) -> None:
    consoles = logger.Consoles()
    consoles.read(guest.path)
    (look,) = libvirt.watched.values()
    guest.writes(b"last words\n")
    look()
    guest.ends()
    look()
    assert not guest.log.exists()
    consoles.attach(guest.xml, is_running=False)
    assert guest.log.read_bytes() == b"last words\n"
    assert (consoles.open, libvirt.watched) == ({}, {})


def test_the_terminal_of_a_guest_that_ended_is_not_opened(
    logger: ModuleType, libvirt: Libvirt, guest: Guest
) -> None:
    consoles = logger.Consoles()
    consoles.attach(guest.xml, is_running=False)
    assert not consoles.open
    # By now it is another's.
    consoles.attach(guest.xml.replace(UUID, "another"))
    consoles.attach(guest.xml, is_running=False)
    assert consoles.open[guest.path].uuid == "another"


@pytest.fixture
def hook(libvirt: Libvirt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = load("hook")
    monkeypatch.setattr(made, "SOCKET", str(tmp_path / "socket"))
    # The daemon: libvirtd starts the hook.
    monkeypatch.setattr(made.os, "getppid", os.getpid)
    return made


def test_the_hook_returns_when_the_console_is_read(
    logger: ModuleType, hook: ModuleType, libvirt: Libvirt, guest: Guest, tmp_path: Path
) -> None:
    logger.SOCKET = hook.SOCKET
    consoles = logger.Consoles()
    server = logger.listen(consoles)
    (accept,) = libvirt.watched.values()
    server.setblocking(True)
    status: list[int] = []
    for operation in ("start", "started"):
        call = threading.Thread(
            target=lambda name: status.append(run(hook, guest, name)), args=(operation,)
        )
        call.start()
        accept()
        call.join(5)
    assert status == [0, 0]
    assert consoles.open[guest.path].uuid == UUID
    server.close()


def run(hook: ModuleType, guest: Guest, operation: str) -> int:
    """Call the hook as libvirt does; before the start the XML names no terminal."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdin", io.StringIO(guest.xml if operation == "started" else ""))
        status: int = hook.main(["instance-1", operation, "begin", "-"])
        return status


@pytest.mark.parametrize("operation", ["start", "started", "stopped", "release"])
def test_the_hook_never_stops_a_guest(hook: ModuleType, guest: Guest, operation: str) -> None:
    # Nobody listens.
    assert run(hook, guest, operation) == 0


def test_both_use_one_socket(logger: ModuleType) -> None:
    assert load("hook").SOCKET == logger.SOCKET
