# SPDX-License-Identifier: Apache-2.0
"""An image of the infrastructure services and what a node of it is told, for every type's tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

SERVICES = ("mariadb", "memcached", "rabbitmq")
UNITS = ("memcached", "mariadb", "rabbitmq-server")
METADATA = "/var/lib/os-collect-config/local-data/node.json"
NODE: dict[str, Any] = {
    "instance": {"name": "node", "role": "node", "service_address": "127.0.0.1"},
    "memcached": {"servers": ["127.0.0.1"], "memory_mb": 64, "max_connections": 1024},
    "mariadb": {
        "databases": [
            {"name": "glance", "user": "glance", "password": "it's a \\ password"},
            {"name": "nova_api", "user": "nova", "password": "other-password"},
            {"name": "nova", "user": "nova", "password": "other-password"},
        ],
        "durable": True,
        "buffer_pool_mb": 64,
        "max_connections": 100,
    },
    "rabbit": {"host": "127.0.0.1", "username": "openstack", "password": "rabbit-password"},
}
# In the place of the script that Heat sends, which writes such a file.
USER_DATA = """#cloud-config
write_files:
  - {path: /var/lib/heat-cfntools/cfn-init-data, content: '{"from-heat": true}'}
"""


def build(scratch: Path, hypervisor: str) -> Path:
    """Return the image file of the three services, from the cache when it has not changed."""
    wanted = {
        "name": f"test-infrastructure-{hypervisor}",
        "role": "infrastructure",
        "hypervisor": hypervisor,
        "release": "bookworm",
        "elements": list(SERVICES),
        "parameter": "InfrastructureImage",
    }
    listed, output = scratch / f"{hypervisor}.yaml", scratch / f"{hypervisor}-images"
    listed.write_text(yaml.safe_dump({"images": [wanted]}))
    command = [sys.executable, "-m", "imagebuild.build", "-c", listed, "-o", output]
    subprocess.run(command, check=True)
    manifest = json.loads((output / "manifest.json").read_text())
    return output / str(manifest["images"][0]["file"])


def config_drive(key: Path) -> dict[str, str]:
    """Return the files of a config drive for a node that ``key`` (its public half) opens."""
    told = {"uuid": "7d5d6a43-0fc1-4f9a-a8a2-2e9a3e1a2c11", "hostname": "node.novalocal"}
    public = key.with_suffix(".pub").read_text()
    return {
        "openstack/latest/meta_data.json": json.dumps({**told, "public_keys": {"mine": public}}),
        "openstack/latest/user_data": USER_DATA,
    }


def passwords(shadow: str) -> list[str]:
    """Return the users of ``shadow`` who have a password."""
    fields = [line.split(":")[:2] for line in shadow.splitlines()]
    return [name for name, password in fields if not password.startswith(("!", "*"))]
