# SPDX-License-Identifier: Apache-2.0
"""The decision between KVM and emulation, with a QEMU that does what each test wants."""

import importlib.util
import re
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from altostratus.datafiles import elements_path

ELEMENTS = elements_path()
PROGRAM = ELEMENTS / "nova-kvm/static/usr/local/lib/altostratus/kvm-probe.py"
UNIT = ELEMENTS / "nova-kvm/systemd/kvm-probe.service"
WAITER = ELEMENTS / "nova-compute/os-refresh-config/post-configure.d/96-nova-compute-is-up"
BOOTS = "echo Linux version 6.1; echo VFS: Unable to mount root fs on unknown-block"
# What was seen on a machine with a software KVM: firmware works, the kernel never speaks.
HANGS = "echo Probing EDD... ok; exec sleep 1000"
FAILS = "echo qemu: failed to set MSR 0x10a. >&2; exit 1"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kvm_probe", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = load()
    monkeypatch.setattr(module, "KVM", str(tmp_path / "kvm"))
    monkeypatch.setattr(module, "QEMU", str(tmp_path / "qemu"))
    monkeypatch.setattr(module, "LIMIT", 3.0)
    monkeypatch.setattr(module, "LEAST", 0.5)
    return module


def guests(directory: Path, kvm: str, control: str) -> None:
    """Let there be KVM, and a QEMU whose guests behave so with it and without it."""
    (directory / "kvm").touch()
    qemu = directory / "qemu"
    qemu.write_text(f'#!/bin/sh\nif [ "$2" = kvm ]; then {kvm}; else {control}; fi\n')
    qemu.chmod(0o755)


def decide(script: ModuleType, directory: Path, *options: str) -> str:
    """Return the whole file that the program writes."""
    script.main([*options, str(directory / "virt-type.conf")])
    return (directory / "virt-type.conf").read_text()


@pytest.mark.parametrize("control", [BOOTS, HANGS, FAILS])
def test_kvm_where_a_kernel_boots_with_it(
    script: ModuleType, tmp_path: Path, control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It ends when the guest speaks, however busy the machine is.
    monkeypatch.setattr(script, "LIMIT", 60.0)
    monkeypatch.setattr(script, "LEAST", 60.0)
    guests(tmp_path, f"sleep 0.2; {BOOTS}; exec sleep 1000", control)
    text = decide(script, tmp_path)
    assert "virt_type = kvm\n" in text
    assert "a guest kernel starts with KVM within" in text


@pytest.mark.parametrize(
    ("kvm", "control", "reason"),
    [
        (HANGS, BOOTS, "but not with it; its last line: Probing EDD... ok"),
        (HANGS, f"{BOOTS}; exec sleep 1000", "but not with it"),
        (FAILS, BOOTS, "a guest with KVM ends early: qemu: failed to set MSR 0x10a."),
        # A kernel that spoke and died is none that works.
        ("echo Linux version 6.1", BOOTS, "a guest with KVM ends early: Linux version"),
        (HANGS, HANGS, "no guest kernel starts within 3 s, with KVM or without it"),
    ],
)
def test_emulation_where_none_does(
    script: ModuleType, tmp_path: Path, kvm: str, control: str, reason: str
) -> None:
    guests(tmp_path, kvm, control)
    text = decide(script, tmp_path)
    assert "virt_type = qemu\ncpu_mode = none\n" in text
    assert reason in text


def test_without_a_device_nothing_is_started(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = decide(script, tmp_path)
    assert "virt_type = qemu" in text
    said = capsys.readouterr().out
    assert said == f"virtual machines run emulated, which is slow: there is no {tmp_path}/kvm\n"


def test_kvm_gets_no_more_time_than_the_control_takes(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "LIMIT", 120.0)
    guests(tmp_path, HANGS, f"sleep 1; {BOOTS}")
    started = time.monotonic()
    text = decide(script, tmp_path)
    assert time.monotonic() - started < 60
    assert "virt_type = qemu" in text
    assert "but not with it" in text


def test_the_limit_leaves_nova_compute_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    probe = load()
    whole = probe.LIMIT + 2 * probe.STOP
    assert probe.LEAST < probe.LIMIT
    for path, pattern in (
        (UNIT, r"^TimeoutStartSec=(\d+)$"),
        (WAITER, r'wait_for "\$unit" (\d+) systemctl'),
    ):
        (seconds,) = re.findall(pattern, path.read_text(), re.MULTILINE)
        assert whole + 60 <= float(seconds), path


@pytest.mark.parametrize("kind", ["kvm", "qemu"])
def test_what_the_metadata_say_is_not_probed(script: ModuleType, tmp_path: Path, kind: str) -> None:
    text = decide(script, tmp_path, "--type", kind)
    assert f"virt_type = {kind}\n" in text
    assert [path.name for path in tmp_path.iterdir()] == ["virt-type.conf"]
