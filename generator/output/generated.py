# SPDX-License-Identifier: Apache-2.0
"""What ``generate-stacks`` wrote for a cloud, read back.

Later steps work on this and not on the cloud file, which may have been edited since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from altostratus.errors import AltostratusError, InputError
from altostratus.yamlfile import document
from altostratus.yamlfile.problems import InvalidInputError
from generator.cloudfile.model import camel_case
from generator.output import names, secretstore
from imagebuild.images import Image, read_images

_AGAIN = "run generate-stacks again"

AUTH_URL = "AuthURL"
"""The output of the root template that is the URL of the cloud's Keystone, if it has one."""


@dataclass(frozen=True)
class ProviderNetwork:
    """A provider network; ``gateway`` is empty if it has none."""

    name: str
    cidr: IPv4Network
    gateway: str


@dataclass(frozen=True)
class Generated:
    """The output of ``generate-stacks`` for the cloud ``name`` in ``directory``.

    Files are read when they are first needed, once. Every property and method raises
    AltostratusError for a file that is missing or damaged.
    """

    directory: Path
    name: str

    @property
    def template(self) -> Path:
        """The root template."""
        return self.directory / names.stack(self.name)

    @property
    def environment(self) -> Path:
        """The Heat environment with the resource registry and default parameters."""
        return self.directory / names.ENVIRONMENT

    @property
    def images(self) -> Path:
        """The list of images, for build-images."""
        return self.directory / names.IMAGES

    @property
    def networks_file(self) -> Path:
        """The networks, for setup-neutron."""
        return self.directory / names.NETWORKS

    @property
    def flavors(self) -> Path:
        """The flavors, for setup-flavors."""
        return self.directory / names.FLAVORS

    @property
    def secrets_file(self) -> Path:
        """The Heat environment with the secrets (0600)."""
        return self.directory / names.SECRETS

    def metadata_file(self, instance: str) -> Path:
        """Return the metadata file (0600) of an instance whose addresses are all fixed."""
        return self.directory / names.metadata(instance)

    @property
    def instances(self) -> list[str]:
        """The names of the instances that have a metadata file, sorted."""
        return sorted(path.stem for path in self.directory.glob(names.metadata("*")))

    def metadata(self, instance: str) -> dict[str, Any]:
        """Return the metadata of an instance whose addresses are all fixed."""
        return _mapping(self.metadata_file(instance))

    @cached_property
    def roles(self) -> dict[str, Image]:
        """The image of each role, with its hypervisor type and its services (``elements``)."""
        return {image.role: image for image in read_images(self.images)}

    @property
    def services(self) -> frozenset[str]:
        """The names of all services of the cloud."""
        return frozenset(name for role in self.roles.values() for name in role.elements)

    @cached_property
    def networks(self) -> tuple[ProviderNetwork, ...]:
        """The networks, in the order of the cloud file."""
        try:
            return tuple(
                ProviderNetwork(each["name"], IPv4Network(each["cidr"]), each.get("gateway", ""))
                for each in _list(self.networks_file, "networks")
            )
        except (KeyError, ValueError) as error:
            raise _damaged(self.networks_file, f"a network with {error!r}") from error

    @cached_property
    def secrets(self) -> dict[str, str]:
        """The secrets by Heat parameter."""
        return secretstore.load(self.secrets_file)

    @property
    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """The declarations of the stack's parameters by name, as the root template has them."""
        found = self._root.get("parameters")
        if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
            raise _damaged(self.template, "no mapping of mappings called parameters")
        return found

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The values that the environment gives to parameters."""
        return defaults(self.environment)

    def counts(self, given: Mapping[str, Any]) -> dict[str, int]:
        """Return the number of instances of each role.

        ``given`` are parameters that win over the environment. Heat accepts a number in quotes.
        """
        values = {**self.defaults, **given}
        found = {}
        for role in self.roles:
            # A number where addresses are fixed, otherwise {get_param: NAME}.
            count = self._root["resources"][camel_case(role)]["properties"]["count"]
            found[role] = int(values[count["get_param"]] if isinstance(count, dict) else count)
        return found

    @cached_property
    def _root(self) -> dict[str, Any]:
        return _mapping(self.template)


def defaults(environment: Path) -> dict[str, Any]:
    """Return the values that a Heat environment of this project gives to parameters.

    Raises AltostratusError for a file that is missing or damaged.
    """
    found = _mapping(environment).get("parameter_defaults")
    if not isinstance(found, dict):
        raise _damaged(environment, "no parameter_defaults")
    return found


def _mapping(path: Path) -> dict[str, Any]:
    """Return the content of a YAML or JSON file, which is a mapping."""
    if not path.exists():
        raise AltostratusError(f"{path} is missing", _AGAIN)
    try:
        content = document.content(path, _AGAIN)
    except InvalidInputError as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise _damaged(path, "not a mapping")
    return content


def _list(path: Path, key: str) -> list[Mapping[str, Any]]:
    content = _mapping(path).get(key)
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise _damaged(path, f"no list of mappings called {key}")
    return content


def _damaged(path: Path, why: object) -> InputError:
    return InputError(f"{path} is damaged: {why}", _AGAIN)
