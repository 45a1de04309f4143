# SPDX-License-Identifier: Apache-2.0
"""The secrets of a cloud: generated once, kept in ``secrets.yaml``, which only its owner may read.

The file is a Heat environment. Its values are ``parameter_defaults``, which Heat, unlike
``parameters``, accepts for parameters that a template lacks: the secret of a service that was
taken out is still there when the service comes back.
"""

import base64
import secrets as randomness
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from altostratus.yamlfile import checks, document, emit
from altostratus.yamlfile.problems import InvalidInputError, Mark, Report
from generator.cloudfile.model import camel_case

SECTION = "parameter_defaults"

HEADER = """SPDX-License-Identifier: Apache-2.0
Secrets of the cloud, written once by generate-stacks and kept by it. Whoever has them has the
cloud. Change one and update the stack to replace it."""

_RESTORE = "restore the file from a backup: a running cloud needs its secrets"

_MAKERS: Mapping[str, Callable[[], str]] = {
    "password": lambda: randomness.token_hex(16),
    "fernet": lambda: base64.urlsafe_b64encode(randomness.token_bytes(32)).decode(),
}


def load(path: Path) -> dict[str, str]:
    """Return the secrets in the file ``path`` by Heat parameter; none if there is no such file.

    Raises InvalidInputError if the file is damaged: secrets of a running cloud must not be lost.
    """
    if not path.exists():
        return {}
    report = Report()
    try:
        root = document.load(path, report)
    except InvalidInputError as error:
        raise InvalidInputError(replace(one, hint=_RESTORE) for one in error.problems) from error
    section = root.get(SECTION)
    if section is None:
        report.add(Mark(str(path), 1, 1), f"no '{SECTION}'", _RESTORE, checks.MISSING_KEY)
    # A cloud without secrets has an empty mapping here; nothing at all is not what we wrote.
    elif not isinstance(section.value, dict):
        message = f"{SECTION}: not a mapping of secrets"
        report.add(section.mark, message, _RESTORE, checks.TYPE)
    values = section.fields if section else {}
    for name, node in values.items():
        if not isinstance(node.value, str) or not node.value:
            # The schema's message would show the value.
            hint = f'write it as "…", or {_RESTORE}'
            report.add(node.mark, f"{name}: not a string", hint, checks.TYPE)
    report.raise_if_any()
    return {name: str(node.value) for name, node in values.items()}


def complete(known: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return ``known`` with a fresh value for each secret of ``wanted`` (name → kind) it lacks."""
    fresh = {
        parameter: _MAKERS[kind]()
        for name, kind in wanted.items()
        if (parameter := camel_case(name)) not in known
    }
    return dict(sorted({**known, **fresh}.items()))


def text(values: Mapping[str, str]) -> str:
    """Return the content of the file for the secrets ``values``."""
    return emit.document({SECTION: dict(values)}, HEADER)
