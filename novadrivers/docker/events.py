# SPDX-License-Identifier: Apache-2.0
"""Reactions to what happens without Nova: reboot and power-off inside, end of the daemon.

An event only says that something happened. What to do follows from the containers' state, so that
it does no harm if an event comes late, twice or never.
"""

import enum
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docker import APIClient
from oslo_utils import timeutils

from novadrivers.docker import containers
from novadrivers.docker.containers import Containers
from novadrivers.docker.errors import NoContainer

LOG = logging.getLogger(__name__)

RECONNECT_SECONDS = 5
ATTEMPTS = 3
RETRY_SECONDS = 30
"""How often, and at what interval, an instance is reconciled if that fails."""
SETTLE_SECONDS = 1
"""Time from the end of an init until its sandbox is checked: a daemon that ends stops both."""
REBOOT_SECONDS = ATTEMPTS * RETRY_SECONDS
"""How long after its end an init that rebooted counts as about to be started."""
SHUTDOWN_SECONDS = 20
"""Longer than dockerd runs after it stopped its first container (--shutdown-timeout, 15)."""


Event = Mapping[str, Any]
"""An event of the daemon, as the docker SDK decodes it."""


class Change(enum.Enum):
    """What happened to an instance."""

    STARTED = "started"
    STOPPED = "stopped"
    PAUSED = "paused"
    RESUMED = "resumed"


CHANGES = {"start": Change.STARTED, "pause": Change.PAUSED, "unpause": Change.RESUMED}
"""Docker's events that can be reported as they are; ``die`` cannot."""


class Watcher:
    """Follows the daemon's events in a thread."""

    def __init__(
        self,
        connect: Callable[[], APIClient],
        instances: Containers,
        host: str,
        report: Callable[[str, Change], None],
        recover: Callable[[str], None],
    ) -> None:
        """Prepare to follow the containers of nova-compute ``host``.

        ``connect`` returns a client without a timeout. ``report`` is called with the uuid of an
        instance and what happened to it, ``recover`` with the uuid of one that went down with the
        daemon.
        """
        self._connect = connect
        self._instances = instances
        self._host = host
        self._report = report
        self._recover = recover
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        # Not nova.utils.spawn, whose meaning changed when Nova left eventlet.
        threading.Thread(target=self._run, name="docker-events", daemon=True).start()

    def stop(self) -> None:
        """Stop the thread after its current event."""
        self._stopping.set()

    def restart_rebooted(self) -> None:
        """Start instances that rebooted while nobody followed events; Nova decides about others.

        Errors are logged, so that one instance stops neither the others nor nova-compute's start.
        """
        for uuid in self._instances.list():
            try:
                state = self._instances.state(uuid)
                if state.rebooted and self._has_network(uuid):
                    LOG.info(
                        "Starting the instance %s, which rebooted while nova-compute was down", uuid
                    )
                    self._instances.start(uuid)
            except Exception:
                LOG.exception("Cannot start the instance %s, which rebooted", uuid)

    def is_rebooting(self, uuid: str, state: containers.State) -> bool:
        """Tell whether the instance in ``state`` is in the middle of a reboot inside.

        Unlike on other hypervisors it is down for a moment then. If Nova noticed it
        (ComputeManager._sync_instance_power_state), it would take it as shut down and stop it.
        """
        age = timeutils.delta_seconds(state.ended, timeutils.utcnow(with_timezone=True))
        return state.rebooted and age < REBOOT_SECONDS and self._has_network(uuid)

    def handle(self, event: Event) -> None:
        """React to one event of the daemon."""
        action = event.get("Action") or event.get("status") or ""
        uuid = event["Actor"]["Attributes"].get(containers.UUID)
        LOG.debug("docker: %s of %s", action, uuid)
        if uuid and action == "die":
            self._later(SETTLE_SECONDS, uuid, SHUTDOWN_SECONDS)
        elif uuid and action in CHANGES:
            self._report(uuid, CHANGES[action])

    def reconcile(self, uuid: str, grace: float = 0) -> None:
        """Decide what to do about an instance that may be down.

        If its sandbox is down, too, the daemon stopped both, or somebody killed the sandbox: the
        instance is recovered after ``grace`` seconds, in which the daemon may end. Otherwise the
        instance went down by itself.
        """
        try:
            state = self._instances.state(uuid)
            if state.running:
                return
            if not self._has_network(uuid):
                if grace:
                    self._later(grace, uuid, 0)
                else:
                    self._recover(uuid)
            elif state.rebooted:
                LOG.info("The instance %s reboots", uuid)
                self._instances.start(uuid)
            else:
                self._report(uuid, Change.STOPPED)
        except NoContainer:
            LOG.debug("The instance %s is being deleted", uuid)

    def _run(self) -> None:
        # When nova-compute starts, Nova itself handles instances that are down.
        check = self.restart_rebooted
        while not self._stopping.is_set():
            try:
                events = self._follow()
                check()
                for event in events:
                    if self._stopping.is_set():
                        return
                    self.handle(event)
                LOG.warning("The docker daemon closed the stream of events")
            except Exception:
                # The thread must survive: otherwise no later reboot inside would be noticed.
                LOG.exception("Cannot follow the docker daemon's events")
            check = self._reconcile_all
            self._stopping.wait(RECONNECT_SECONDS)

    def _follow(self) -> Iterator[Event]:
        """Return the events from now on.

        The daemon answers before it collects events, so it is asked for those since now. The caller
        checks all instances after the answer, for what happened before.
        """
        labels = [
            f"{containers.HOST}={self._host}",
            f"{containers.ROLE}={containers.INSTANCE}",
        ]
        events: Iterator[Event] = self._connect().events(
            since=int(time.time()), decode=True, filters={"type": "container", "label": labels}
        )
        return events

    def _reconcile_all(self) -> None:
        LOG.info("Connected to the docker daemon again")
        for uuid in self._instances.list():
            self._try(uuid)

    def _try(self, uuid: str, grace: float = 0, attempts: int = ATTEMPTS) -> None:
        """Reconcile an instance; after an error try again, up to ``attempts`` times in all."""
        if self._stopping.is_set():
            return
        try:
            self.reconcile(uuid, grace)
        except Exception:
            LOG.exception("Cannot reconcile the state of instance %s", uuid)
            if attempts > 1:
                self._later(RETRY_SECONDS, uuid, 0, attempts - 1)

    def _later(self, seconds: float, uuid: str, grace: float, attempts: int = ATTEMPTS) -> None:
        timer = threading.Timer(seconds, self._try, (uuid, grace, attempts))
        timer.daemon = True
        timer.start()

    def _has_network(self, uuid: str) -> bool:
        return self._instances.state(uuid, containers.SANDBOX).running
