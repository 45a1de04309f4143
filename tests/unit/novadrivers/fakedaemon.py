# SPDX-License-Identifier: Apache-2.0
"""A docker daemon in memory: as much of docker.APIClient as the driver's modules use.

The behaviour is that of dockerd 20.10, seen in tests/functional/novadrivers/life.py.
"""

import datetime
import fnmatch
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker
from docker import errors

NEVER = "0001-01-01T00:00:00Z"
"""End time of a container that has never ended."""


class Response:
    """The part of requests' response that docker.errors.APIError uses."""

    def __init__(self, status: int) -> None:
        self.status_code = status
        self.reason = str(status)
        self.url = "/"


def api_error(status: int, text: str) -> errors.APIError:
    return errors.APIError(text, response=Response(status), explanation=text)


def write_tar(path: Path, files: Mapping[str, bytes], mode: Any = "w") -> None:
    """Write a tar file; ``mode`` is tarfile's."""
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def write_archive(
    path: Path,
    tags: Sequence[str] = (),
    images: int = 1,
    architecture: str = "amd64",
    system: str = "linux",
    mode: str = "w",
) -> str:
    """Write a docker archive with an arbitrary layer and return its image's id."""
    config = json.dumps({"architecture": architecture, "os": system, "path": path.name}).encode()
    entry = {"Config": "c.json", "RepoTags": list(tags) or None, "Layers": ["layer.tar"]}
    files = {
        "c.json": config,
        "manifest.json": json.dumps([entry] * images).encode(),
        "repositories": json.dumps({name: {} for name in tags}).encode(),
        "index.json": b"{}",
        "layer.tar": bytes(range(256)) * 9,
    }
    write_tar(path, files, mode)
    return f"sha256:{hashlib.sha256(config).hexdigest()}"


class FakeDaemon:
    """Images by tag, containers by name."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.images_by_id: dict[str, dict[str, Any]] = {}
        self.made: dict[str, dict[str, Any]] = {}
        self.loaded: dict[str, bytes] = {}
        """Files of the last archive."""
        self.calls: list[tuple[Any, ...]] = []
        self.removal_conflicts = 0

    # Images

    def add_image(self, identity: str, size: int = 1, **config: Any) -> None:
        self.images_by_id[identity] = {"Id": identity, "Size": size, "Config": config}

    def inspect_image(self, name: str) -> dict[str, Any]:
        found = self.images_by_id.get(self.tags.get(name, name))
        if found is None:
            raise errors.ImageNotFound(name)
        return found

    def load_image(self, data: Iterator[bytes]) -> Iterator[dict[str, str]]:
        with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as tar:
            self.loaded = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
        (entry,) = json.loads(self.loaded["manifest.json"])
        config = self.loaded[entry["Config"]]
        identity = f"sha256:{hashlib.sha256(config).hexdigest()}"
        self.add_image(identity, len(config))
        for name in entry["RepoTags"]:
            self.tags[name.removeprefix("docker.io/")] = identity
            yield {"stream": f"Loaded image: {name}\n"}

    def tag(self, image: str, repository: str, tag: str) -> None:
        self.tags[f"{repository}:{tag}"] = self.inspect_image(image)["Id"]

    def images(self, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        pattern = filters["reference"]
        return [{"RepoTags": [tag]} for tag in self.tags if fnmatch.fnmatch(tag, pattern)]

    def remove_image(self, name: str) -> None:
        identity = self.inspect_image(name)["Id"]
        if any(each["image"] == identity for each in self.made.values()):
            raise api_error(409, "conflict: a container uses it")
        del self.tags[name]
        if identity not in self.tags.values():
            del self.images_by_id[identity]

    def commit(self, container: str, repository: str, tag: str) -> dict[str, str]:
        identity = f"sha256:{container}"
        self.add_image(identity)
        self.tag(identity, repository.removeprefix("docker.io/"), tag)
        return {"Id": identity}

    def get_image(self, name: str) -> Iterator[bytes]:
        yield self.inspect_image(name)["Id"].encode()

    # Containers

    def create_host_config(self, **arguments: Any) -> Any:
        return docker.types.HostConfig(version="1.41", **arguments)

    def create_container(self, image: str, name: str, **arguments: Any) -> None:
        if name in self.made:
            raise api_error(409, "name in use")
        state = {"Running": False, "Paused": False, "ExitCode": 0, "Pid": 0, "FinishedAt": NEVER}
        self.made[name] = {"image": image, "State": state, **arguments}

    def inspect_container(self, name: str) -> dict[str, Any]:
        if name not in self.made:
            raise errors.NotFound(name)
        return {"Id": f"id-{name}", "State": self.made[name]["State"]}

    def containers(self, all: bool, filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        wanted = {tuple(label.split("=")) for label in filters["label"]}
        return [
            {"Labels": each["labels"]}
            for each in self.made.values()
            if wanted <= set(each["labels"].items())
        ]

    def start(self, name: str) -> None:
        self.calls.append(("start", name))
        self.made[name]["State"].update(Running=True, ExitCode=0, Pid=4242)

    def stop(self, name: str, timeout: int) -> None:
        if self.made[name]["State"]["Paused"]:
            raise api_error(500, "paused")
        self.calls.append(("stop", name, timeout))
        self.exit(name, 130)

    def exit(self, name: str, code: int, ago: float = 0) -> None:
        """Let a container's process end with ``code``, ``ago`` seconds ago."""
        ended = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=ago)
        state = {"Running": False, "ExitCode": code, "Pid": 0, "FinishedAt": ended.isoformat()}
        self.made[name]["State"].update(state)

    def pause(self, name: str) -> None:
        self.made[name]["State"]["Paused"] = True

    def unpause(self, name: str) -> None:
        self.made[name]["State"]["Paused"] = False

    def logs(self, name: str, tail: int) -> bytes:
        return b"x" * 200 * 1024 + b"\nlogin:"

    def remove_container(self, name: str, force: bool, v: bool) -> None:
        if self.removal_conflicts:
            self.removal_conflicts -= 1
            raise api_error(409, "removal is already in progress")
        if name not in self.made:
            raise errors.NotFound(name)
        del self.made[name]
