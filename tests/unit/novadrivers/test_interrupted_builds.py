# SPDX-License-Identifier: Apache-2.0
"""The guest of an interrupted build is stopped."""

from types import SimpleNamespace
from typing import Any

import pytest

from novadrivers.shared import interrupted_builds

STATES = [
    ("building", None, True),
    ("building", "spawning", True),
    ("active", "spawning", True),
    ("active", "rebuild_spawning", True),
    ("stopped", "rebuilding", True),
    ("error", "rebuild_spawning", False),
    ("error", "spawning", False),
    ("error", "networking", False),
    ("error", "deleting", False),
    ("error", "resize_migrating", False),
    ("soft-delete", "spawning", False),
    ("soft-delete", None, False),
    ("deleted", "block_device_mapping", False),
    ("paused", "scheduling", True),
    ("paused", "rebuilding", False),
    ("active", None, False),
    ("active", "powering-off", False),
    ("stopped", None, False),
    ("error", None, False),
]


def instance(uuid: str, vm_state: str = "building", task_state: str | None = "spawning") -> Any:
    return SimpleNamespace(uuid=uuid, vm_state=vm_state, task_state=task_state)


class Driver:
    def __init__(self, there: str, stubborn: str = "") -> None:
        self.there, self.stubborn, self.off = there.split(), stubborn, list[str]()

    def instance_exists(self, instance: Any) -> bool:
        return instance.uuid in self.there

    def power_off(self, instance: Any) -> None:
        if instance.uuid == self.stubborn:
            raise RuntimeError("it does not stop")
        self.off.append(instance.uuid)


@pytest.mark.parametrize(("vm_state", "task_state", "expected"), STATES)
def test_which_ones(vm_state: str, task_state: str | None, expected: bool) -> None:
    driver = Driver("one")
    interrupted_builds.stop_guests(
        driver, [instance("one", vm_state, task_state)], driver.power_off
    )
    assert driver.off == ["one"] * expected


def test_what_was_never_made_is_left_alone() -> None:
    driver = Driver("two")
    interrupted_builds.stop_guests(driver, [instance("one"), instance("two")], driver.power_off)
    assert driver.off == ["two"]


def test_one_that_does_not_stop_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    driver = Driver("one two", stubborn="one")
    interrupted_builds.stop_guests(driver, [instance("one"), instance("two")], driver.power_off)
    assert driver.off == ["two"]
    assert "Cannot stop one" in caplog.text
