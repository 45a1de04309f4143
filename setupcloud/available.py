# SPDX-License-Identifier: Apache-2.0
"""Brings bare-metal nodes to the provision state available, and touches no others.

Each node is looked at immediately before it is touched: ``nodes.json`` may name a machine that has
a server, is in maintenance, or that Ironic is working on. Such a node is left alone, with a note.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from altostratus.clients.errors import translated
from altostratus.console import Progress
from altostratus.errors import AltostratusError
from setupcloud.baremetal import SERVICE, in_use

AVAILABLE = "available"
# Which action takes a node without a server from its provision state towards "available", and the
# state that follows. In all other states somebody is at work; "error" follows a failed deletion.
# https://docs.openstack.org/ironic/latest/user/states.html
_NEXT = {
    "error": ("deleted", AVAILABLE),
    "enroll": ("manage", "manageable"),
    "clean failed": ("manage", "manageable"),
    "inspect failed": ("manage", "manageable"),
    "manageable": ("provide", AVAILABLE),
}
# Ironic itself puts a node into maintenance when cleaning it fails.
_BY_IRONIC = "clean failure"


@dataclass
class Outcome:
    """How a node is in the end: Ironic's states, why it was left alone, what failed."""

    provision_state: str = ""
    power_state: str | None = None
    left_alone: str | None = None
    failure: str | None = None


def left_alone(node: Any) -> str | None:
    """Return why ``node`` is not to be touched, as the end of a sentence; None if it may be."""
    if use := in_use(node):
        return use
    if node.is_maintenance and node.fault != _BY_IRONIC:
        reason = f" ({node.maintenance_reason})" if node.maintenance_reason else ""
        return f"is in maintenance{reason}"
    return "is retired" if node.is_retired else None


def moves(node: Any) -> bool:
    """Whether ``make_available`` would change the provision state of ``node``."""
    return node.provision_state in _NEXT and not left_alone(node)


def make_available(
    ironic: Any, nodes: Mapping[str, str], timeout: int, progress: Progress
) -> dict[str, Outcome]:
    """Bring the ``nodes`` (names by id) to the provision state available, all at the same time.

    ``timeout`` is for each of the two steps, in seconds. Nodes that fail are no reason to leave out
    others: see ``failure`` of their outcome.
    """
    outcomes = {node_id: Outcome() for node_id in nodes}
    moved: set[str] = set()
    for state in ("manageable", AVAILABLE):
        moving = [one for one, outcome in outcomes.items() if _begin(ironic, one, state, outcome)]
        moved.update(moving)
        if moving:
            with progress.step(f"{len(moving)} node(s) become {state}"):
                _wait(ironic, moving, state, timeout, outcomes)
    for node_id, outcome in outcomes.items():
        _finish(ironic, node_id, nodes[node_id], outcome, node_id in moved, progress)
    return outcomes


def _tried(outcome: Outcome, call: Callable[[], Any]) -> Any:
    """Return what ``call`` returns; if Ironic refuses, None, and ``outcome`` has the reason."""
    try:
        with translated(SERVICE):
            return call()
    except AltostratusError as error:
        outcome.failure = error.message
        return None


def _begin(ironic: Any, node_id: str, state: str, outcome: Outcome) -> bool:
    """Set the node moving if it is one step from ``state``; return whether it was."""
    if outcome.failure or not (node := _tried(outcome, lambda: ironic.get_node(node_id))):
        return False
    verb, target = _NEXT.get(node.provision_state, ("", ""))
    if target != state or left_alone(node):
        return False
    if node.is_maintenance and verb == "provide":
        _tried(outcome, lambda: ironic.unset_node_maintenance(node_id))
    if not outcome.failure:
        _tried(outcome, lambda: ironic.set_node_provision_state(node_id, verb))
    return not outcome.failure


def _wait(
    ironic: Any, moving: list[str], state: str, timeout: int, outcomes: Mapping[str, Outcome]
) -> None:
    common = Outcome()
    done = _tried(
        common,
        lambda: ironic.wait_for_nodes_provision_state(moving, state, timeout, fail=False),
    )
    if done is None:
        for node_id in moving:
            outcomes[node_id].failure = common.failure
        return
    for one in (*done.failure, *done.timeout):
        outcomes[one.id].failure = one.last_error or f"not {state} after {timeout} s"


def _finish(
    ironic: Any, node_id: str, name: str, outcome: Outcome, moved: bool, progress: Progress
) -> None:
    """Switch a node off that this run made available, if Ironic does not know its power state.

    Nova does not use such a node. Of one that was available before, nobody knows why Ironic lost
    its power state, nor who may be working with it.
    """
    if not (node := _tried(Outcome(), lambda: ironic.get_node(node_id))):
        return
    outcome.left_alone = left_alone(node)
    free = node.provision_state == AVAILABLE and not outcome.left_alone
    if free and moved and not outcome.failure and node.power_state is None:
        _tried(outcome, lambda: ironic.set_node_power_state(node_id, "power off"))
        node = _tried(Outcome(), lambda: ironic.get_node(node_id)) or node
    elif free and node.power_state is None:
        progress.note(
            f"{name}: Ironic does not know whether it is switched on, so Nova does not use it; if "
            f"nobody does, run: openstack baremetal node power off {name}"
        )
    if outcome.left_alone and not outcome.failure:
        progress.note(f"{name} {outcome.left_alone}: it is left alone")
    outcome.provision_state, outcome.power_state = node.provision_state, node.power_state
