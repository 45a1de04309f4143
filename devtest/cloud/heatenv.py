# SPDX-License-Identifier: Apache-2.0
"""The parameters of a deployment: defaults, then the user's file, then what devtest computes.

This is TripleO's HEAT_ENV, in JSON::

    {"overcloud-hypervisor": "docker", "parameters": {"GlanceFlavor": "large"}}

The user's file is kept apart from the merged one, so that a changed default takes effect. Both are
kept with mode 0600: they may hold passwords.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from altostratus.files import write_json
from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile import document, schema
from altostratus.yamlfile.confidential import is_secret
from altostratus.yamlfile.problems import Report, nearest
from altostratus.yamlfile.schema import Schema
from devtest.cloud import constraints
from devtest.undercloud.instances import KEYPAIR
from devtest.workspace import Workspace
from generator.output.generated import Generated, defaults

HYPERVISOR = "overcloud-hypervisor"
"""The property of the file that is the hypervisor type of all roles."""

MERGED = "heat-env.json"
IMAGES = "images-env.yaml"
_USER = "user-env.json"
_KEY = "KeyName"

FILE: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        HYPERVISOR: {
            "type": "string",
            "enum": list(HYPERVISORS),
            "description": "Hypervisor type of all roles, whatever the cloud file says",
        },
        "parameters": {
            "type": "object",
            "default": {},
            "description": "Parameters of the cloud's stack by name, such as `GlanceFlavor`",
        },
    },
}
"""The form of the user's file."""


@dataclass(frozen=True)
class UserEnvironment:
    """The content of the user's file; ``path`` is for messages."""

    path: Path
    hypervisor: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read(path: Path) -> UserEnvironment:
    """Return what the file ``path`` says. Raises InvalidInputError with every problem of it."""
    document.require(path, 'JSON: {"parameters": {"GlanceFlavor": "large"}}')
    report = Report()
    node = document.load(path, report)
    schema.check(node, FILE, report, "Heat environment")
    report.raise_if_any()
    content = node.plain()
    return UserEnvironment(path, content.get(HYPERVISOR), content.get("parameters", {}))


def adopt(workspace: Workspace, cloud: str, path: Path | None) -> None:
    """Check the user's file, then keep a copy for this and later deployments of ``cloud``.

    Without ``path`` the kept copy is checked. Raises as ``check``; a bad file does not replace the
    kept one.
    """
    if path is None:
        check(workspace, cloud, kept(workspace, cloud))
        return
    user = read(path)
    check(workspace, cloud, user)
    hypervisor = {HYPERVISOR: user.hypervisor} if user.hypervisor else {}
    content = {**hypervisor, "parameters": user.parameters}
    write_json(workspace.stacks(cloud) / _USER, content, 0o600)


def kept(workspace: Workspace, cloud: str) -> UserEnvironment:
    """Return the content of the kept file; an empty one if there is none."""
    path = workspace.stacks(cloud) / _USER
    return read(path) if path.exists() else UserEnvironment(path)


def check(workspace: Workspace, cloud: str, user: UserEnvironment) -> None:
    """Raise InvalidInputError with every parameter of the user's file that Heat would not take.

    Needs what generate-stacks wrote for ``cloud``: the template has the names, types, constraints.
    """
    if not user.parameters:
        return
    generated = workspace.generated(cloud)
    report = Report()
    given = document.load(user.path, report).get("parameters")
    for name, node in (given.fields if given else {}).items():
        for problem, hint in _problems(generated, name, node.plain()):
            report.add(node.mark, problem, hint)
    report.raise_if_any()


def _problems(generated: Generated, name: str, value: Any) -> Iterator[tuple[str, str]]:
    known, images = generated.parameters, {one.parameter for one in generated.roles.values()}
    if name not in known:
        yield f"no parameter {name}", nearest(name, known)
    elif known[name].get("hidden"):
        yield f"{name} is a secret", f"change it in {generated.secrets_file}"
    elif name in images or name == _KEY:
        yield f"{name} is computed", "load-image gives the images, devtest the key of its workspace"
    else:
        declared = {**known[name], "hidden": is_secret(name)}
        for problem, hint in constraints.problems(value, declared):
            yield f"{name}: {problem}", hint


def merge(workspace: Workspace, cloud: str) -> Path:
    """Write all parameters of the deployment of ``cloud`` to one file and return its path."""
    user, generated = kept(workspace, cloud), workspace.generated(cloud)
    check(workspace, cloud, user)
    parameters = {
        **generated.defaults,
        **user.parameters,
        **defaults(generated.directory / IMAGES),
        **generated.secrets,
        _KEY: KEYPAIR,
    }
    # The secret of a service that was taken out stays in its file, for the service's return.
    known = generated.parameters
    path = generated.directory / MERGED
    write_json(path, {"parameters": {k: v for k, v in parameters.items() if k in known}}, 0o600)
    return path


def parameters(workspace: Workspace, cloud: str) -> dict[str, Any]:
    """Return all parameters of the last deployment of ``cloud``; none before the first."""
    path = workspace.stacks(cloud) / MERGED
    return dict(document.content(path, "devtest run")["parameters"]) if path.exists() else {}
