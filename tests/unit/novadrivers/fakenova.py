# SPDX-License-Identifier: Apache-2.0
"""As much of Nova and os-vif as the modules import that know them and are tested without."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import novadrivers


class NovaException(Exception):
    """A text, or what one is made of, as nova.exception.NovaException."""

    def __init__(self, message: str | None = None, **parts: Any) -> None:
        super().__init__(message or " ".join(map(str, parts.values())))


class OsVifException(Exception):
    """os_vif.exception.ExceptionBase."""


EXCEPTIONS = (
    "FlavorDiskSmallerThanImage",
    "HypervisorUnavailable",
    "InstanceNotFound",
    "InvalidInput",
    "VirtualInterfaceCreateException",
    "VirtualInterfacePlugException",
)
EXCEPTION = {
    "NovaException": NovaException,
    **{name: type(name, (NovaException,), {}) for name in EXCEPTIONS},
}


def load(monkeypatch: Any, name: str, contents: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return ``novadrivers.<name>`` with modules that have ``contents``, by name."""
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
    spec.loader.exec_module(loaded)
    return loaded
