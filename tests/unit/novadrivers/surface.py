#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what novadrivers uses of Nova's releases, so that tests run without Nova.

    pip download --no-deps nova==34.0.0
    surface.py nova-34.0.0-py3-none-any.whl…    writes releases/34.0.0.json beside this file

A record has the parameters of all methods of ComputeDriver and of other methods that novadrivers
changes, and the names that it uses, as far as they exist. Nova is read as source, not imported.
"""

import ast
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECORDS = HERE / "releases"
PACKAGE = HERE.parents[2] / "novadrivers"

CHANGED = {
    ("nova.network.neutron", "API"): ("setup_instance_network_on_host",),
    ("nova.service", "Service"): ("start", "stop"),
    ("nova.virt.ironic.driver", "IronicDriver"): (
        "__init__",
        "destroy",
        "init_host",
        "instance_exists",
        "ironic_connection",
    ),
    ("nova.virt.libvirt.driver", "LibvirtDriver"): (
        "__init__",
        "_build_device_metadata",
        "_create_configdrive",
        "_create_guest",
        "_create_guest_with_network",
        "_destroy",
        "_get_guest_config",
        "_handle_conn_event",
        "_update_compute_provider_status",
        "delete_instance_files",
        "destroy",
        "get_available_nodes",
        "get_info",
        "init_host",
        "update_provider_tree",
    ),
    ("nova.virt.libvirt.config", "LibvirtConfigObject"): ("_text_node",),
    ("nova.virt.libvirt.vif", "LibvirtGenericVIFDriver"): ("get_config", "get_vif_devname", "plug"),
}
"""Methods of Nova's other classes that novadrivers replaces or extends."""


def classes(tree: ast.Module) -> Mapping[str, ast.ClassDef]:
    """Return the classes of a module by name."""
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def methods(node: ast.ClassDef) -> dict[str, list[str]]:
    """Return the parameters of each method of a class; see :func:`parameters`."""
    return {each.name: parameters(each) for each in node.body if isinstance(each, ast.FunctionDef)}


def parameters(function: ast.FunctionDef) -> list[str]:
    """Return the parameters of a method but self; those with a default end in ``=``."""
    arguments = function.args
    names = [each.arg for each in arguments.posonlyargs + arguments.args]
    first_default = len(names) - len(arguments.defaults)
    described = [name + "=" * (place >= first_default) for place, name in enumerate(names)]
    described += [f"*{each.arg}" for each in (arguments.vararg,) if each]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    described += [each.arg + "=" * (default is not None) for each, default in keywords]
    described += [f"**{each.arg}" for each in (arguments.kwarg,) if each]
    static = any(
        isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list
    )
    return described if static else described[1:]


def used_names() -> list[str]:
    """Return every ``nova.module.name`` that novadrivers' modules use."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        found |= set(_used_in(ast.parse(path.read_text())))
    return sorted(found)


def _used_in(tree: ast.Module) -> Iterator[str]:
    """Yield what is used of ``from nova.x import y [as z]`` and ``import nova.x``."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nova":
            aliases |= {
                each.asname or each.name: f"{node.module}.{each.name}" for each in node.names
            }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            head, _, rest = dotted.partition(".")
            if head in aliases:
                first = re.split(r"\W", rest)[0]
                yield f"{aliases[head]}.{first}"
            elif re.fullmatch(r"nova(\.\w+)+", dotted) and not dotted.startswith("nova.conf.CONF."):
                yield dotted


class Release:
    """The sources of a Nova release, in its wheel."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Read from ``archive``, which must stay open."""
        self._archive = archive
        self._files = frozenset(archive.namelist())

    def source(self, module: str) -> str | None:
        """Return the source of ``module``, None if there is no such module."""
        path = module.replace(".", "/")
        for each in (f"{path}.py", f"{path}/__init__.py"):
            if each in self._files:
                return self._archive.read(each).decode()
        return None

    def exists(self, name: str) -> bool:
        """Tell whether there is a module ``name``, or what it names in a module."""
        module, rest = "nova", name.split(".")[1:]
        while rest and self.source(f"{module}.{rest[0]}") is not None:
            module = f"{module}.{rest.pop(0)}"
        if not rest or rest[0].startswith("__"):
            return True
        text = self.source(module) or ""
        if module == "nova.objects":
            # It fills itself with its modules' classes when it is imported.
            inside = [each for each in self._files if each.startswith("nova/objects/")]
            text = "\n".join(self._archive.read(each).decode() for each in inside)
        return rest[0] in set(_defined(ast.parse(text)))

    def methods(self, module: str, name: str) -> dict[str, list[str]]:
        """Return the parameters of each method of class ``name`` of ``module``."""
        return methods(classes(ast.parse(self.source(module) or ""))[name])


def record(wheel: Path) -> dict[str, Any]:
    """Return the record of the Nova release in ``wheel``."""
    with zipfile.ZipFile(wheel) as archive:
        nova = Release(archive)
        changed = {}
        for (module, name), names in CHANGED.items():
            found = nova.methods(module, name)
            changed[f"{module}.{name}"] = {each: found[each] for each in names}
        return {
            "methods": nova.methods("nova.virt.driver", "ComputeDriver"),
            "changed": changed,
            "names": [name for name in used_names() if nova.exists(name)],
        }


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (each.asname or each.name for each in node.names)


if __name__ == "__main__":
    RECORDS.mkdir(exist_ok=True)
    for name in sys.argv[1:]:
        release = Path(name).name.split("-")[1]
        text = json.dumps(record(Path(name)), indent=1, sort_keys=True)
        # One line for each method.
        text = re.sub(r"\[\s+([^\]]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
        (RECORDS / f"{release}.json").write_text(text + "\n")
