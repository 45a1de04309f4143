# SPDX-License-Identifier: Apache-2.0
"""Names of the files in the directory that generate-stacks writes."""

IMAGES = "images.yaml"
ENVIRONMENT = "environment.yaml"
SECRETS = "secrets.yaml"
NETWORKS = "networks.json"
FLAVORS = "flavors.json"
METADATA = "metadata"

RECORD = ".generate-stacks"
"""Lists the files that were written there, one a line."""


def stack(cloud: str) -> str:
    """Return the name of the root template of the cloud called ``cloud``."""
    return f"{cloud}.yaml"


def metadata(instance: str) -> str:
    """Return the name of the metadata file of the instance called ``instance``."""
    return f"{METADATA}/{instance}.json"
