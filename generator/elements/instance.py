# SPDX-License-Identifier: Apache-2.0
"""What an element does in an instance: keys that it uses, modes of its files, units, needs."""

import re
from collections.abc import Iterator
from pathlib import Path

from altostratus.yamlfile import document
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import InvalidInputError, Problem, Report, nearest
from generator.cloudfile import services
from generator.contracts.model import Contract, Contracts
from generator.elements import checks, usage
from generator.elements.element import Element, top
from generator.elements.scripts import read
from generator.elements.usage import Use

# What every instance has besides the keys of its contracts.
_COMMON = ("instance", "os-collect-config", "deployments")
_READABLE = 0o007


def check(element: Element) -> Iterator[Problem]:
    """Yield what would go wrong in an instance with ``element``."""
    for path in element.below("os-apply-config"):
        yield from _control(path) if path.suffix == ".oac" else _template(path, element)
    for path in element.below("os-refresh-config"):
        for use in usage.of_script(path):
            yield from _supplied(use, element)
    if element.contract:
        yield from _units(element, element.contract)
        yield from _needs(element.contract, element.contracts)


def with_needs(name: str, contracts: Contracts) -> list[str]:
    """Return the service ``name`` and all that it needs, directly or not."""
    found = [name]
    for one in found:
        closure = services.closure([one], contracts)
        found += sorted({need for base in closure for need in base.needs} - set(found))
    return found


def _template(path: Path, element: Element) -> Iterator[Problem]:
    if not usage.is_template(path):
        return
    text = read(path)
    if text is None:
        yield checks.ENCODING.at(top(path), "the template is not UTF-8", "save it as UTF-8")
        return
    uses = list(usage.of_template(text, str(path), element.keys))
    for one in uses:
        yield from _supplied(one, element) if isinstance(one, Use) else (one,)
    secrets = [one for one in uses if isinstance(one, Use) and _is_secret(one.key, element)]
    if secrets and _mode(Path(f"{path}.oac")) & _READABLE:
        message = f"everybody on the instance can read the secret '{secrets[0].key}'"
        hint = f"write 'mode: 0640' with owner or group to {path.name}.oac beside it"
        yield checks.OPEN_SECRET.at(secrets[0].mark, message, hint)


def _is_secret(name: str, element: Element) -> bool:
    key = element.contracts.keys.get(name)
    return key is not None and key.secret


def _supplied(use: Use, element: Element) -> Iterator[Problem]:
    keys = element.keys
    if use.key.split(".")[0] in _COMMON or use.key in keys:
        return
    if any(use.key.startswith(f"{name}.") and keys[name] for name in keys):
        return  # a field of a mapping
    owner = element.contracts.keys.get(use.key)
    hint = nearest(use.key, keys)
    if owner:
        hint = f"it belongs to {owner.contract}: add it to 'reads' of the contract"
    elif not element.contract:
        hint = f"declare it in a contract, service.yaml of {element.name}; {hint}"
    message = f"an instance with {element.name} does not get the key '{use.key}'"
    yield checks.UNSUPPLIED_KEY.at(use.mark, message, hint)


def _control(path: Path) -> Iterator[Problem]:
    if not path.with_suffix("").exists():
        message = f"there is no template {path.with_suffix('').name} beside it"
        yield checks.CONTROL_FILE.at(top(path), message, "call it like the template, and .oac")
    root = _loaded(path)
    if not isinstance(root, Node):
        yield from root
        return
    for word, value in root.fields.items():
        # os-apply-config takes a mode in quotes for a decimal number.
        if word == "mode" and _octal(value) is None:
            message, hint = "mode: not an octal number", "write it without quotes: mode: 0640"
            yield checks.CONTROL_FILE.at(value.mark, message, hint)


def _loaded(path: Path) -> Node | list[Problem]:
    try:
        return document.load(path, Report())
    except InvalidInputError as error:
        return error.problems


def _octal(node: Node) -> int | None:
    # YAML 1.2 reads 0640 as a decimal number; os-apply-config reads YAML 1.1, where it is octal.
    digits = str(node.value).removeprefix("0o")
    is_number = isinstance(node.value, int) and not isinstance(node.value, bool)
    octal = re.fullmatch(r"[0-7]{3,4}", digits)
    return int(digits, 8) if octal and (is_number or str(node.value).startswith("0o")) else None


def _mode(control: Path) -> int:
    """Return the mode that os-apply-config gives to a file: 0644 without ``control``."""
    if control.is_file() and isinstance(root := _loaded(control), Node):
        mode = root.get("mode")
        return (_octal(mode) if mode else None) or 0o644
    return 0o644


def _units(element: Element, contract: Contract) -> Iterator[Problem]:
    for path in element.below("systemd"):
        name = path.name.removesuffix(".service")
        is_unit = path.suffix == ".service" and len(element.relative(path).parts) == 2
        if is_unit and not name.endswith("@") and name not in contract.units:
            message = f"the unit {name} is not in 'units' of the contract"
            yield checks.UNLISTED_UNIT.at(top(path), message, "add it, or remove the file")
    texts = [
        read(path) or ""
        for name in element.closure
        for folder in ("os-refresh-config", "static", "systemd", "os-apply-config")
        for path in sorted((element.folders[name] / folder).rglob("*"))
        if path.is_file()
    ]
    listed = contract.node.get("units")
    for item in listed.items if listed else ():
        unit = str(item.value)
        if not any(_is_named(unit, text) for text in texts):
            message = f"no script starts the unit {unit}"
            hint = f"call 'restart_if_changed {unit}.service FILE…' in os-refresh-config/"
            yield checks.UNSTARTED_UNIT.at(item.mark, message, hint)


def _is_named(unit: str, text: str) -> bool:
    """Return whether ``text`` names ``unit``, as a word or put together (``nova-$type``)."""
    parts = [unit[: match.end()] for match in re.finditer("[-@]", unit)]
    if any(re.search(rf"(?<![\w-]){re.escape(part)}\$", text) for part in parts):
        return True
    return bool(re.search(rf"(?<![\w-]){re.escape(unit)}(?![\w-])", text))


def _needs(contract: Contract, contracts: Contracts) -> Iterator[Problem]:
    """Yield the keys that a service reads, but whose owner need not be in its cloud."""
    if contract.base:
        return
    there = services.closure(with_needs(contract.name, contracts), contracts)
    supplied = {key for one in there for key in one.keys}
    for one in services.closure([contract.name], contracts):
        listed = one.node.get("reads")
        for item in listed.items if listed else ():
            owner = contracts.keys.get(str(item.value))
            if owner and item.value not in supplied:
                mark = item.mark if one is contract else contract.node.mark
                message = f"'{item.value}' is read, but {owner.contract} is not needed"
                hint = f"add what has it to 'needs': {owner.contract}"
                yield checks.UNMET_READ.at(mark, message, hint)
