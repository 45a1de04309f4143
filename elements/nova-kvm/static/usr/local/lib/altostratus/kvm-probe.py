#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""kvm-probe.py [--type auto|kvm|qemu] FILE: decide how virtual machines run; write it for Nova.

A /dev/kvm that opens proves nothing: on some machines every guest hangs, at times only after its
firmware and its boot loader have run. So a guest kernel is started with KVM and, as a control,
without it at the same time. KVM works if its kernel gets as far as looking for a root file system.
Virtual machines are emulated if the control gets there first, because such a KVM is of no use, and
if neither gets there in time.
"""

import argparse
import contextlib
import os
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, cast

KVM = "/dev/kvm"
KERNEL = "/usr/lib/altostratus/probe/vmlinuz"
QEMU = "qemu-system-x86_64"
# The kernel's last message when everything works: it is given no root.
SIGN = b"Unable to mount root fs"
COMMAND_LINE = "console=ttyS0 earlyprintk=serial,ttyS0,115200 panic=-1"
# Seconds for the whole probe, on a busy machine. nova-compute starts after it; TimeoutStartSec of
# kvm-probe.service and the wait of 96-nova-compute-is-up for nova-compute-kvm are longer by a
# minute at least.
LIMIT = 100.0
# KVM, about ten times faster, gets as long as the control takes, and at least so many seconds.
LEAST = 10.0
# Seconds for a killed guest to end: it may hang in the kernel.
STOP = 5.0

# qemu64 is an AMD model, for which guests use no page table isolation: that would make emulation
# slower by half. Nova's own default for kvm is host-model.
CONFIGURATION = {
    "kvm": "[libvirt]\nvirt_type = kvm\n",
    "qemu": "[libvirt]\nvirt_type = qemu\ncpu_mode = none\n",
}


class Guest:
    """A guest kernel that is being started, and its console output."""

    def __init__(self, accelerator: str, cpu: str) -> None:
        """Start it with QEMU's ``-accel`` and ``-cpu``."""
        self.said = b""
        self.started = time.monotonic()
        command = [QEMU, "-accel", accelerator, "-cpu", cpu, "-m", "256", "-nodefaults"]
        command += ["-display", "none", "-serial", "stdio", "-no-reboot"]
        command += ["-kernel", KERNEL, "-append", COMMAND_LINE]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.output = cast("IO[bytes]", self.process.stdout)

    def read(self) -> bool:
        """Read its output; return whether there may be more."""
        more = os.read(self.output.fileno(), 65536)
        self.said += more
        return bool(more)

    @property
    def works(self) -> bool:
        """Whether the kernel got as far as it can."""
        return SIGN in self.said

    @property
    def last_line(self) -> str:
        """Its last line of output."""
        lines = self.said.decode(errors="replace").split("\n")
        return next(
            (line.strip()[:200].rstrip(".") for line in reversed(lines) if line.strip()), "nothing"
        )

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP)
        self.output.close()


def probe() -> tuple[str, str]:
    """Return the type (kvm or qemu) and the reason for it."""
    try:
        os.close(os.open(KVM, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return "qemu", f"there is no {KVM}"
    except OSError as error:
        return "qemu", f"{KVM} cannot be opened: {error.strerror}"
    guests = {}
    try:
        guests["kvm"] = Guest("kvm", "host")
        guests["control"] = Guest("tcg", "qemu64")
        return judge(guests["kvm"], guests["control"])
    finally:
        for guest in guests.values():
            guest.stop()


def judge(kvm: Guest, control: Guest) -> tuple[str, str]:
    """Watch both guests until it is clear whether KVM works; return the type and the reason."""
    deadline = time.monotonic() + LIMIT
    taken = None
    with selectors.DefaultSelector() as selector:
        for guest in (kvm, control):
            selector.register(guest.output, selectors.EVENT_READ, guest)
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if not key.data.read():
                    selector.unregister(key.fileobj)
                    if key.data is kvm and not kvm.works:
                        return "qemu", f"a guest with KVM ends early: {kvm.last_line}"
            if kvm.works:
                seconds = time.monotonic() - kvm.started
                return "kvm", f"a guest kernel starts with KVM within {seconds:.1f} s"
            if control.works and taken is None:
                taken = time.monotonic() - control.started
                deadline = kvm.started + max(LEAST, taken)
    if taken is None:
        return "qemu", f"no guest kernel starts within {LIMIT:.0f} s, with KVM or without it"
    return "qemu", (
        f"a guest kernel starts without KVM within {taken:.1f} s, "
        f"but not with it; its last line: {kvm.last_line}"
    )


def write(path: Path, kind: str, reason: str) -> None:
    """Write the configuration file for Nova atomically."""
    text = f"# Written by kvm-probe: {reason}.\n{CONFIGURATION[kind]}"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
    Path(file.name).rename(path)


def main(argv: list[str]) -> None:
    """Decide, write the file and print what was decided and why."""
    parser = argparse.ArgumentParser(description="Decide whether virtual machines use KVM.")
    parser.add_argument("--type", choices=["auto", *CONFIGURATION], default="auto")
    parser.add_argument("file", type=Path)
    args = parser.parse_args(argv)
    kind, reason = probe() if args.type == "auto" else (args.type, "the metadata say so")
    write(args.file, kind, reason)
    how = "with KVM" if kind == "kvm" else "emulated, which is slow"
    print(f"virtual machines run {how}: {reason}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
