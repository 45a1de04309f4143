# SPDX-License-Identifier: Apache-2.0
"""Names of the files in the directory that generate-stacks writes."""

IMAGES = "images.yaml"
ENVIRONMENT = "environment.yaml"
SECRETS = "secrets.yaml"
PARAMETERS = "heat-parameters"
"""The directory of the secrets, each in a file with the name of its parameter, and of OPTIONS."""
OPTIONS = f"{PARAMETERS}/options"
"""The options of ``openstack stack create`` that read the secrets from these files."""
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


def parameter(name: str) -> str:
    """Return the name of the file that holds the value of the hidden parameter ``name``."""
    return f"{PARAMETERS}/{name}"
