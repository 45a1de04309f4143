# SPDX-License-Identifier: Apache-2.0
"""The secrets of a cloud: generated once, kept in ``secrets.yaml``, which only its owner may read.

Its values are ``parameter_defaults``, as in a Heat environment, by the names of the root template's
hidden parameters. But it is no file for ``openstack stack create -e``: the client would store it
among the files of the stack, where ``openstack stack file list`` shows it. Each secret goes to Heat
in a file of its own, see ``parameter_files``.
"""

from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from altostratus.errors import InputError
from altostratus.yamlfile import checks, document, emit
from altostratus.yamlfile.problems import InvalidInputError, Mark, Report
from generator.cloudfile import naming
from generator.contracts import secretkinds
from generator.output import names
from generator.plan.model import Plan

SECTION = "parameter_defaults"

HEADER = """SPDX-License-Identifier: Apache-2.0
Secrets of the cloud, written once by generate-stacks and kept by it. Whoever has them has the
cloud. To replace one, change it here, run generate-stacks again and update the stack."""

_RESTORE = "restore the file from a backup: a running cloud needs its secrets"


def load(path: Path, kinds: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the secrets in the file ``path`` by Heat parameter; none if there is no such file.

    ``kinds`` are the kinds of those that are known. Raises InvalidInputError with every problem of
    the file: secrets of a running cloud must not be lost.
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
    # A cloud without secrets has an empty mapping here: null was not written by us.
    elif not isinstance(section.value, dict):
        message = f"{SECTION}: not a mapping of secrets"
        report.add(section.mark, message, _RESTORE, checks.TYPE)
    values = section.fields if section else {}
    for name, node in values.items():
        _check(name, node, (kinds or {}).get(name), report)
    report.raise_if_any()
    return {name: str(node.value) for name, node in values.items()}


def _check(name: str, node: document.Node, kind: str | None, report: Report) -> None:
    # The schema's message would show the value.
    if not isinstance(node.value, str) or not node.value:
        hint = f'write it as "…", or {_RESTORE}'
        report.add(node.mark, f"{name}: not a string", hint, checks.TYPE)
        return
    value = node.value
    wrong = secretkinds.wrong(kind, value) if kind else secretkinds.malformed(value)
    if wrong:
        wanted = secretkinds.KINDS[kind or "password"].wanted
        report.add(node.mark, f"{name}: {wrong}", f"{wanted}; or {_RESTORE}", checks.PATTERN)


def kinds(plan: Plan) -> dict[str, str]:
    """Return the kinds of the secrets of all contracts by Heat parameter."""
    return {naming.secret_parameter(name): kind for name, kind in plan.contracts.secrets.items()}


def inherited(plan: Plan, cloud: str, path: Path) -> dict[str, str]:
    """Return the secrets of ``plan`` that belong to the joined ``cloud``, by Heat parameter.

    They are in the secrets file ``path`` of that cloud; raises InputError if one is missing.
    """
    wanted = {naming.secret_parameter(name) for name in plan.inherited}
    known = load(path, kinds(plan)) if wanted else {}
    if missing := sorted(wanted - known.keys()):
        raise InputError(
            f"{path}: no {', '.join(missing)}, secrets of {cloud}",
            "run generate-stacks for that cloud first, or give the path: --joined-secrets FILE",
        )
    return {name: known[name] for name in wanted}


def require(plan: Plan, out: Path, known: Set[str]) -> None:
    """Raise InputError if secrets are missing that the directory ``out`` has had.

    ``known`` are those that are there, by Heat parameter. The root template that was written last
    declares all that the cloud had. It is written after the secrets.
    """
    own = {naming.secret_parameter(name) for name in plan.secrets} - {
        naming.secret_parameter(one) for one in plan.inherited
    }
    lost = sorted((own & _declared(out / names.stack(plan.cloud.name))) - known)
    if not lost:
        return
    path = out / names.SECRETS
    what = f"it lacks {', '.join(lost)}" if path.exists() or known else "it is gone"
    raise InputError(
        f"{path}: {what}, but a cloud was generated here before, and may be running with it",
        f"{_RESTORE}; or get them from the instances (--recover-secrets, see docs/secrets.md); or "
        "make new ones, which no running cloud accepts: --new-secrets",
    )


def _declared(template: Path) -> set[str]:
    """Return the hidden parameters of a root template; none of what is no template."""
    try:
        content = yaml.safe_load(template.read_text("utf-8"))
        parameters: Mapping[str, Any] = content["parameters"]
        return {name for name, one in parameters.items() if one.get("hidden")}
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError, AttributeError):
        return set()


def complete(known: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return ``known`` with a fresh value for each secret of ``wanted`` (name → kind) it lacks."""
    fresh = {
        parameter: secretkinds.KINDS[kind].make()
        for name, kind in wanted.items()
        if (parameter := naming.secret_parameter(name)) not in known
    }
    return dict(sorted({**known, **fresh}.items()))


def text(values: Mapping[str, str]) -> str:
    """Return the content of the file for the secrets ``values``."""
    return emit.document({SECTION: dict(values)}, HEADER)
