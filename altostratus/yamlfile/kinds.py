# SPDX-License-Identifier: Apache-2.0
"""The kinds of files that have a JSON Schema, see ``generator.schemas``."""

from collections.abc import Mapping
from types import MappingProxyType

FILES: Mapping[str, str] = MappingProxyType(
    {
        "cloud": "Cloud file",
        "service": "Contract of a service, `service.yaml` of an element",
        "secrets": "Secrets of a cloud, `secrets.yaml`",
        "images": "Image list, `images.yaml`",
        "manifest": "Images that were built, `manifest.json`",
        "networks": "Networks for `setup-neutron`, `networks.json`",
        "flavors": "Flavors for `setup-flavors`, `flavors.json`",
        "nodes": "Bare-metal nodes for `register-nodes`, `nodes.json`",
        "heat-env": "Heat environment for `devtest run --heat-env`",
    }
)
"""What each kind of file is."""
