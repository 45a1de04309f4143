# SPDX-License-Identifier: Apache-2.0
"""The two containers of an instance.

``nova-<uuid>-net``, the sandbox, holds the network namespace and sleeps. ``nova-<uuid>`` runs the
image's init in that namespace. So the ports exist before init runs and stay when it ends: across
reboots, and while the instance is shut off. All the state that the driver needs is in the
containers' labels.
"""

import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docker import APIClient, errors
from oslo_utils import timeutils, units

from novadrivers.docker import cgroups, limits
from novadrivers.docker.engine import Engine
from novadrivers.docker.errors import GuestEnded, NoContainer
from novadrivers.shared import guest_ended

LABEL = "org.openstack.nova."
UUID, HOST, NAME, ROLE = (LABEL + key for key in ("uuid", "host", "name", "role"))
INSTANCE, SANDBOX = "instance", "net"
"""Values of the label ``role``."""

EXIT_REBOOT = 129
"""Exit status after a reboot inside: init dies of SIGHUP, see reboot(2). Power-off is 130."""
CONSOLE_BYTES = 100 * units.Ki
"""Maximum length of the console log, the same as in Nova's libvirt driver."""
REMOVAL_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Spec:
    """What an instance is to be like."""

    uuid: str
    name: str
    hostname: str
    flavor: limits.Flavor
    config_drive: Path
    dns: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    """First process; empty for the image's."""


@dataclass(frozen=True)
class Settings:
    """Options of nova.conf, the same for all instances of the node."""

    host: str
    command: tuple[str, ...]
    privileged: bool
    capabilities: tuple[str, ...]
    dropped_capabilities: tuple[str, ...]
    security_options: tuple[str, ...]
    devices: tuple[str, ...]
    tmpfs: tuple[str, ...]
    config_drive_paths: tuple[str, ...]
    pids_limit: int
    disk_quota: bool


@dataclass(frozen=True)
class State:
    """State of one of an instance's containers."""

    container_id: str
    running: bool
    paused: bool
    exit_code: int
    pid: int
    """PID of the first process in the node's PID namespace; 0 while it does not run."""
    ended: datetime.datetime
    """When init ended last; the year 1 if it never did."""

    @property
    def rebooted(self) -> bool:
        """Whether init ended with a reboot and has not been started again."""
        return not self.running and self.exit_code == EXIT_REBOOT


def container_name(uuid: str, role: str = INSTANCE) -> str:
    """Return the name of one of an instance's containers."""
    return f"nova-{uuid}" if role == INSTANCE else f"nova-{uuid}-{role}"


class Containers:
    """The containers of this nova-compute's instances."""

    def __init__(self, api: APIClient, engine: Engine, settings: Settings) -> None:
        """Use the daemon behind ``api``; ``engine`` describes it."""
        self._api = api
        self._engine = engine
        self._settings = settings

    def list(self, role: str = INSTANCE) -> Mapping[str, str]:
        """Return this nova-compute's instances with a container of ``role``: names by uuid."""
        labels = [f"{HOST}={self._settings.host}", f"{ROLE}={role}"]
        found = self._api.containers(all=True, filters={"label": labels})
        return {each["Labels"][UUID]: each["Labels"][NAME] for each in found}

    def state(self, uuid: str, role: str = INSTANCE) -> State:
        """Return the state of an instance's container; raises NoContainer if there is none."""
        try:
            found = self._api.inspect_container(container_name(uuid, role))
        except errors.NotFound:
            raise NoContainer(uuid, container_name(uuid, role)) from None
        state = found["State"]
        return State(
            container_id=found["Id"],
            running=bool(state.get("Running")),
            paused=bool(state.get("Paused")),
            exit_code=int(state.get("ExitCode") or 0),
            pid=int(state.get("Pid") or 0),
            ended=timeutils.parse_isotime(state["FinishedAt"]),
        )

    def create(self, spec: Spec, image_id: str) -> None:
        """Create both containers of an instance from the image ``image_id``; start neither."""
        self._create_sandbox(spec, image_id)
        self._create_instance(spec, image_id)

    def start_sandbox(self, uuid: str) -> int:
        """Make sure that the network namespace exists; return the PID of a process in it.

        Raises NoContainer if the instance has no sandbox.
        """
        if not self.state(uuid, SANDBOX).running:
            self._api.start(container_name(uuid, SANDBOX))
        return self.state(uuid, SANDBOX).pid

    def start(self, uuid: str) -> None:
        """Start the instance's init, unless it runs."""
        self._api.start(container_name(uuid))

    def require_running(self, uuid: str) -> None:
        """Watch an instance that was just started; raise GuestEnded if its init ends.

        One that reboots is started again by the watcher of events.
        """

        def is_down() -> bool:
            state = self.state(uuid)
            return not state.running and not state.rebooted

        if guest_ended.watch(is_down):
            raise GuestEnded(guest_ended.message(self.console(uuid)))

    def stop(self, uuid: str, seconds: int) -> None:
        """Ask init to shut down, and kill it after ``seconds``; 0 kills it at once."""
        name = container_name(uuid)
        if self.state(uuid).paused:
            # A frozen init would receive neither signal.
            self._api.unpause(name)
        self._api.stop(name, timeout=seconds)

    def pause(self, uuid: str) -> None:
        """Freeze every process of the instance."""
        self._api.pause(container_name(uuid))

    def unpause(self, uuid: str) -> None:
        """Thaw the instance's processes."""
        self._api.unpause(container_name(uuid))

    def console(self, uuid: str) -> bytes:
        """Return the end of what the instance's processes wrote to the console."""
        log: bytes = self._api.logs(container_name(uuid), tail=2000)
        return log[-CONSOLE_BYTES:]

    def remove(self, uuid: str) -> None:
        """Remove both containers, running or not, even if one was removed only in part."""
        for role in (INSTANCE, SANDBOX):
            self._remove(container_name(uuid, role))

    def _remove(self, name: str) -> None:
        deadline = time.monotonic() + REMOVAL_TIMEOUT_SECONDS
        while True:
            try:
                self._api.remove_container(name, force=True, v=True)
                return
            except errors.NotFound:
                return
            except errors.APIError as error:
                # 409: it is being removed already, perhaps since a nova-compute that was killed.
                if error.status_code != 409 or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def _labels(self, spec: Spec, role: str) -> dict[str, str]:
        return {UUID: spec.uuid, HOST: self._settings.host, NAME: spec.name, ROLE: role}

    def _create_sandbox(self, spec: Spec, image_id: str) -> None:
        self._api.create_container(
            image_id,
            name=container_name(spec.uuid, SANDBOX),
            entrypoint=["sleep"],
            command=["infinity"],
            hostname=spec.hostname,
            labels=self._labels(spec, SANDBOX),
            # So that it ends before any init when the daemon ends: that is how the driver tells
            # the end of the daemon from the end of a guest.
            stop_signal="SIGKILL",
            host_config=self._api.create_host_config(
                network_mode="none",
                dns=list(spec.dns) or None,
                cap_drop=["ALL"],
                pids_limit=16,
                mem_limit=64 * units.Mi,
                security_opt=["no-new-privileges"],
            ),
        )

    def _create_instance(self, spec: Spec, image_id: str) -> None:
        image = self._api.inspect_image(image_id)["Config"] or {}
        settings, groups = self._settings, cgroups.for_systemd(self._engine)
        command = spec.command
        if not command and not image.get("Cmd") and not image.get("Entrypoint"):
            command = settings.command
        drives = [f"{spec.config_drive}:{path}:ro" for path in settings.config_drive_paths]
        host_config = self._api.create_host_config(
            network_mode=f"container:{container_name(spec.uuid, SANDBOX)}",
            binds=[*groups.binds, *drives],
            privileged=settings.privileged,
            cap_add=list(settings.capabilities),
            # podman rejects one that is in both.
            cap_drop=[
                each for each in settings.dropped_capabilities if each not in settings.capabilities
            ],
            security_opt=[*settings.security_options, *groups.security_options],
            devices=[f"{device}:{device}:rwm" for device in settings.devices],
            tmpfs=dict.fromkeys(settings.tmpfs, "mode=755"),
            # The console log. Other log drivers cannot return it.
            log_config={"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
            **limits.host_config(spec.flavor, settings.pids_limit, settings.disk_quota),
        )
        if groups.namespace:
            # The SDK has an argument for it only since version 7.
            host_config["CgroupnsMode"] = groups.namespace
        self._api.create_container(
            image_id,
            name=container_name(spec.uuid),
            command=list(command) or None,
            # Docker takes it from the sandbox and rejects it here; podman needs it.
            hostname=spec.hostname if self._engine.podman else None,
            # systemd writes to the console only if it is a terminal.
            tty=True,
            # cloud-init's OpenStack data source reads product_name in a container.
            environment={"container": "docker", "product_name": "OpenStack Nova"},
            stop_signal=image.get("StopSignal") or "SIGRTMIN+3",
            labels=self._labels(spec, INSTANCE),
            host_config=host_config,
        )
