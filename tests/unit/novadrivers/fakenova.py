# SPDX-License-Identifier: Apache-2.0
"""Fakes of Nova and os-vif for tests of the modules that import them, which run without Nova."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import novadrivers


class NovaException(Exception):
    """nova.exception.NovaException: a message, or the parts of one."""

    def __init__(self, message: str | None = None, **parts: Any) -> None:
        super().__init__(message or " ".join(map(str, parts.values())))


class OsVifException(Exception):
    """os_vif.exception.ExceptionBase."""


EXCEPTIONS = (
    "FlavorDiskSmallerThanImage",
    "HypervisorUnavailable",
    "InstanceNotFound",
    "InternalError",
    "InvalidInput",
    "VirtualInterfaceCreateException",
    "VirtualInterfacePlugException",
)
EXCEPTION = {
    "NovaException": NovaException,
    **{name: type(name, (NovaException,), {}) for name in EXCEPTIONS},
}


def load(monkeypatch: Any, name: str, contents: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return ``novadrivers.<name>``, importing modules with ``contents`` (attributes by module).

    Modules of novadrivers that it imports first are forgotten again: they have the fakes.
    """
    all_contents: dict[str, Mapping[str, Any]] = {
        "nova": {},
        "nova.exception": EXCEPTION,
        "os_vif": {},
        "os_vif.exception": {"ExceptionBase": OsVifException},
        **contents,
    }
    made = {each: ModuleType(each) for each in all_contents}
    for each, module in made.items():
        module.__dict__.update(all_contents[each])
        parent, _, leaf = each.rpartition(".")
        if parent in made:
            setattr(made[parent], leaf, module)
        monkeypatch.setitem(sys.modules, each, module)
    path = Path(novadrivers.__file__).parent / f"{name.replace('.', '/')}.py"
    spec: Any = importlib.util.spec_from_file_location(f"loaded.{name}", path)
    loaded = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    try:
        spec.loader.exec_module(loaded)
    finally:
        for each in sorted(set(sys.modules) - before, reverse=True):
            parent, _, leaf = each.rpartition(".")
            if parent.split(".")[0] == "novadrivers":
                del sys.modules[each]
                delattr(sys.modules[parent], leaf)
    return loaded
