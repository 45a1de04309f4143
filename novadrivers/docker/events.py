# SPDX-License-Identifier: Apache-2.0
"""What happens to instances without Nova: reboot and power-off inside, the daemon's end.

Events say only that something happened; what to do follows from the containers' state, so an event
that comes late, twice or never does no harm.
"""

import enum
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_utils import timeutils

from novadrivers.docker import containers
from novadrivers.docker.containers import Containers
from novadrivers.docker.errors import NoContainer

LOG = logging.getLogger(__name__)

RECONNECT_SECONDS = 5
LOOKS = 3
LOOK_AGAIN_SECONDS = 30
"""How often, and after what time, an instance is looked at that could not be helped."""
SETTLE_SECONDS = 1
"""From an init's end to the look at its sandbox: a daemon's end takes both in that time."""
REBOOT_SECONDS = LOOKS * LOOK_AGAIN_SECONDS
"""How long an instance whose init rebooted is about to be started."""
SHUTDOWN_SECONDS = 20
"""More than dockerd takes to end after its first container (--shutdown-timeout, 15)."""


class Change(enum.Enum):
    """What happened to an instance."""

    STARTED = "started"
    STOPPED = "stopped"
    PAUSED = "paused"
    RESUMED = "resumed"


CHANGES = {"start": Change.STARTED, "pause": Change.PAUSED, "unpause": Change.RESUMED}
"""Docker's events that are what they say; ``die`` needs a look."""


class Watcher:
    """Follows the daemon's events in a thread of its own."""

    def __init__(
        self,
        connect: Callable[[], Any],
        instances: Containers,
        host: str,
        report: Callable[[str, Change], None],
        recover: Callable[[str], None],
    ) -> None:
        """Prepare to follow the containers of nova-compute ``host``.

        ``connect`` returns a client without time limit. ``report`` gets the uuid of an instance and
        what happened to it; ``recover`` the uuid of one that went down with its daemon.
        """
        self._connect = connect
        self._instances = instances
        self._host = host
        self._report = report
        self._recover = recover
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to follow; returns at once."""
        # Not nova.utils.spawn, which changed its meaning when Nova left eventlet.
        threading.Thread(target=self._run, name="docker-events", daemon=True).start()

    def stop(self) -> None:
        """Follow no further."""
        self._stopping.set()

    def restart_rebooted(self) -> None:
        """Start instances whose reboot inside nobody saw; what else is down is Nova's to decide.

        One that cannot be started keeps no other from it, nor nova-compute from its own start.
        """
        for uuid in self._instances.list():
            try:
                state = self._instances.state(uuid)
                if state.rebooted and self._has_network(uuid):
                    LOG.info("The instance %s rebooted while nobody looked", uuid)
                    self._instances.start(uuid)
            except Exception:
                LOG.exception("Cannot start the instance %s, which rebooted", uuid)

    def reboots(self, uuid: str, state: containers.State) -> bool:
        """Tell whether the instance in ``state`` is between the two inits of a reboot inside.

        It is down for a moment that other hypervisors do not have. Nova, which looks now and then
        (ComputeManager._sync_instance_power_state), would take it for shut down and stop it.
        """
        age = timeutils.delta_seconds(state.ended, timeutils.utcnow(with_timezone=True))
        return state.rebooted and age < REBOOT_SECONDS and self._has_network(uuid)

    def handle(self, event: dict[str, Any]) -> None:
        """Act on one event of the daemon."""
        action = event.get("Action") or event.get("status") or ""
        uuid = event["Actor"]["Attributes"].get(containers.UUID)
        LOG.debug("docker: %s of %s", action, uuid)
        if uuid and action == "die":
            self._later(SETTLE_SECONDS, uuid, SHUTDOWN_SECONDS)
        elif uuid and action in CHANGES:
            self._report(uuid, CHANGES[action])

    def settle(self, uuid: str, patience: float = 0) -> None:
        """Decide about an instance that is perhaps down.

        Down with its sandbox: the daemon ended both, or somebody the sandbox; it is recovered,
        after ``patience`` seconds in which the daemon may come to its end. Else it went down by
        itself.
        """
        try:
            state = self._instances.state(uuid)
            if state.running:
                return
            if not self._has_network(uuid):
                if patience:
                    self._later(patience, uuid, 0)
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
        # When nova-compute starts, Nova itself looks at what is down.
        look = self.restart_rebooted
        while not self._stopping.is_set():
            try:
                events = self._follow()
                look()
                for event in events:
                    if self._stopping.is_set():
                        return
                    self.handle(event)
                LOG.warning("The docker daemon ended its events")
            except Exception:
                # A thread that died would leave every later reboot inside an instance unseen.
                LOG.exception("Cannot follow the docker daemon")
            look = self._look_at_all
            self._stopping.wait(RECONNECT_SECONDS)

    def _follow(self) -> Any:
        """Return the events from now on.

        The daemon answers before it collects them, so it is asked for those since now; what was
        before is seen by a look after the answer.
        """
        labels = [
            f"{containers.HOST}={self._host}",
            f"{containers.ROLE}={containers.INSTANCE}",
        ]
        return self._connect().events(
            since=int(time.time()), decode=True, filters={"type": "container", "label": labels}
        )

    def _look_at_all(self) -> None:
        LOG.info("The docker daemon answers again")
        for uuid in self._instances.list():
            self._look(uuid)

    def _look(self, uuid: str, patience: float = 0, looks: int = LOOKS) -> None:
        """Settle an instance; where that fails the others go on, and it is tried again."""
        if self._stopping.is_set():
            return
        try:
            self.settle(uuid, patience)
        except Exception:
            LOG.exception("Cannot tell or mend the state of instance %s", uuid)
            if looks > 1:
                self._later(LOOK_AGAIN_SECONDS, uuid, 0, looks - 1)

    def _later(self, seconds: float, uuid: str, patience: float, looks: int = LOOKS) -> None:
        timer = threading.Timer(seconds, self._look, (uuid, patience, looks))
        timer.daemon = True
        timer.start()

    def _has_network(self, uuid: str) -> bool:
        return self._instances.state(uuid, containers.SANDBOX).running
