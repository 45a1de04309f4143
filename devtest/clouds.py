# SPDX-License-Identifier: Apache-2.0
"""The clouds of this workspace: credentials in a clouds.yaml, and connections made with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from altostratus.clients import sdk, session
from altostratus.errors import AltostratusError, InputError
from altostratus.files import write_text
from altostratus.yamlfile import document, emit
from devtest.workspace import Workspace
from generator.contracts.references import REGION

if TYPE_CHECKING:
    from openstack.connection import Connection

# The hidden parameter in which generate-stacks keeps the password of the user admin.
ADMIN_PASSWORD = "KeystoneAdminPassword"  # noqa: S105
KEYSTONE_PORT = 5000


def admin_password(workspace: Workspace, cloud: str) -> str:
    """Return the password of ``cloud``'s user admin, from its generated secrets."""
    generated = workspace.generated(cloud)
    if ADMIN_PASSWORD in generated.secrets:
        return generated.secrets[ADMIN_PASSWORD]
    where = generated.secrets_file
    raise AltostratusError(f"{where} has no {ADMIN_PASSWORD}", "generate it again: devtest build")


def register(workspace: Workspace, cloud: str, address: str) -> None:
    """Write the credentials of ``cloud``, whose Keystone is at ``address``, beside the others."""
    known = _read(workspace)
    known[cloud] = {
        "auth": {
            "auth_url": f"http://{address}:{KEYSTONE_PORT}/v3",
            "username": "admin",
            "password": admin_password(workspace, cloud),
            "project_name": "admin",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "region_name": REGION,
    }
    _write(workspace, known)


def forget(workspace: Workspace, cloud: str) -> None:
    """Remove the credentials of ``cloud``, if they are there."""
    known = _read(workspace)
    if known.pop(cloud, None) is not None:
        _write(workspace, known)


def _write(workspace: Workspace, known: dict[str, Any]) -> None:
    # Not as PyYAML does: it leaves a password such as 1e5 without quotes.
    text = emit.document({"clouds": dict(sorted(known.items()))}, "Written by devtest.")
    write_text(workspace.clouds_yaml, text, mode=0o600)


def _read(workspace: Workspace) -> dict[str, Any]:
    if not workspace.clouds_yaml.exists():
        return {}
    hint = "remove it, then deploy the clouds again: devtest run"
    content = document.content(workspace.clouds_yaml, hint)
    if not isinstance(content, dict) or not isinstance(content.get("clouds"), dict):
        raise InputError(f"{workspace.clouds_yaml}: no mapping 'clouds'", hint)
    return dict(content["clouds"])


def known(workspace: Workspace) -> list[str]:
    """Return the names of the clouds whose credentials are there."""
    return sorted(_read(workspace))


def connect(workspace: Workspace, cloud: str) -> Connection:
    """Return an openstacksdk connection to ``cloud``; raises AltostratusError if it is unknown.

    Its ``config`` is what the clients of ``altostratus.clients`` are made of.
    """
    if cloud not in _read(workspace):
        raise AltostratusError(f"the cloud {cloud} is not deployed here", "devtest run")
    return sdk.connect(session.of_file(workspace.clouds_yaml, cloud))
