# SPDX-License-Identifier: Apache-2.0
"""A virtual machine that boots an image by itself: QEMU without KVM, ssh by a forwarded port."""

import json
import socket
import subprocess
import time
from pathlib import Path

# Seconds for a boot under emulation on a busy machine.
PATIENCE = 600.0
MEMORY_MB = 768
DISK = "4G"
OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")


def config_drive(directory: Path, public_key: str) -> Path:
    """Make what Nova and Ironic give an instance: an ISO file system with the label config-2."""
    latest = directory / "drive/openstack/latest"
    latest.mkdir(parents=True)
    told = {"uuid": "7d5d6a43-0fc1-4f9a-a8a2-2e9a3e1a2c11", "hostname": "node.novalocal"}
    metadata = {**told, "public_keys": {"mine": public_key}}
    (latest / "meta_data.json").write_text(json.dumps(metadata))
    (latest / "user_data").write_text("#!/bin/sh\ntouch /run/user-data-ran\n")
    made = directory / "drive.iso"
    command = ["genisoimage", "-quiet", "-V", "config-2", "-J", "-r", "-o", str(made)]
    subprocess.run([*command, str(directory / "drive")], check=True)
    return made


class Machine:
    """A machine with two CPUs whose disk is an overlay over ``image``, which stays as it is."""

    def __init__(self, image: Path, directory: Path) -> None:
        directory.mkdir()
        self.console = directory / "console"
        self.key = directory / "key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)]
        subprocess.run(command, check=True)
        drive = config_drive(directory, self.key.with_suffix(".pub").read_text())
        disk = directory / "disk.qcow2"
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image)]
        subprocess.run([*create, str(disk), DISK], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # CPUs of this maker need no page table isolation, which slows emulation down.
        machine = ["qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "qemu64"]
        machine += ["-m", str(MEMORY_MB), "-smp", "2", "-display", "none", "-monitor", "none"]
        machine += ["-serial", f"file:{self.console}", "-drive", f"file={disk},if=virtio"]
        machine += ["-drive", f"file={drive},if=virtio,format=raw,readonly=on"]
        forward = f"hostfwd=tcp:127.0.0.1:{self.port}-:22"
        machine += ["-nic", f"user,model=virtio-net-pci,{forward}"]
        self.process = subprocess.Popen(machine, stdin=subprocess.DEVNULL)
        self._wait_for_ssh()

    def run(self, command: str, check: bool = True) -> str:
        """Run a shell command as the user of the image and return its output."""
        done = self._ssh(command, PATIENCE)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def stop(self) -> None:
        """Switch the machine off."""
        self.process.kill()
        self.process.wait()

    def _ssh(self, command: str, timeout: float) -> subprocess.CompletedProcess[str]:
        options = [word for option in OPTIONS for word in ("-o", option)]
        login = ["ssh", "-i", str(self.key), "-p", str(self.port), *options, "debian@127.0.0.1"]
        return subprocess.run([*login, command], capture_output=True, text=True, timeout=timeout)

    def _wait_for_ssh(self) -> None:
        deadline = time.monotonic() + PATIENCE
        try:
            while not self._answers():
                assert self.process.poll() is None, "QEMU ended"
                assert time.monotonic() < deadline, self.console.read_text(errors="replace")[-3000:]
                time.sleep(1)
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        try:
            return self._ssh("true", 20).returncode == 0
        except subprocess.TimeoutExpired:
            return False
