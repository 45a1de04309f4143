# SPDX-License-Identifier: Apache-2.0
"""Parameters of a stack: where they come from, which the user may give, where they are kept."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from altostratus.console import Progress
from altostratus.datafiles import examples_path
from altostratus.errors import InputError
from devtest import main
from devtest.cloud import heatenv
from devtest.cloud.steps import Steps
from devtest.commands import cloud as commands
from devtest.workspace import Workspace
from generator import generate

CLOUD = "overcloud"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a generated cloud whose images are loaded."""
    found = Workspace(tmp_path / "state", tmp_path / "cache")
    generate.generate(examples_path() / "overcloud.yaml", found.stacks(CLOUD))
    allow_many(found)
    images = {f"{role}Image": f"id of {role}" for role in ("Database", "Memcached", "Keystone")}
    text = yaml.safe_dump({"parameter_defaults": {**images, "GlanceImage": "id of Glance"}})
    (found.stacks(CLOUD) / heatenv.IMAGES).write_text(text)
    return found


def allow_many(workspace: Workspace) -> None:
    """Change the template as if several instances of its services could share the work."""
    template = workspace.stacks(CLOUD) / "overcloud.yaml"
    template.write_text(template.read_text().replace("max: 1", "max: 9"))


def give(workspace: Workspace, content: Any) -> None:
    path = workspace.state / "mine.json"
    path.write_text(json.dumps(content))
    heatenv.adopt(workspace, CLOUD, path)


def test_defaults_then_the_user_then_what_is_computed(workspace: Workspace) -> None:
    give(workspace, {"parameters": {"KeystoneCount": 2, "GlanceFlavor": "large"}})
    path = heatenv.merge(workspace, CLOUD)
    parameters = json.loads(path.read_text())["parameters"]
    assert parameters["KeystoneCount"] == 2
    assert parameters["DatabaseCount"] == 1
    assert parameters["GlanceFlavor"] == "large"
    assert parameters["DatabaseFlavor"] == "overcloud-database"
    assert parameters["GlanceImage"] == "id of Glance"
    assert parameters["KeyName"] == "altostratus"
    secrets = yaml.safe_load((workspace.stacks(CLOUD) / "secrets.yaml").read_text())
    assert secrets["parameter_defaults"].items() <= parameters.items()
    template = yaml.safe_load((workspace.stacks(CLOUD) / "overcloud.yaml").read_text())
    assert set(parameters) == set(template["parameters"])
    assert heatenv.parameters(workspace, CLOUD) == parameters


def test_both_files_are_private(workspace: Workspace) -> None:
    give(workspace, {"parameters": {"KeystoneCount": 2}})
    heatenv.merge(workspace, CLOUD)
    for name in ("user-env.json", "heat-env.json"):
        assert stat.S_IMODE((workspace.stacks(CLOUD) / name).stat().st_mode) == 0o600


def test_the_users_file_is_kept_and_a_changed_default_shows(workspace: Workspace) -> None:
    give(workspace, {"parameters": {"KeystoneCount": 2}})
    heatenv.merge(workspace, CLOUD)
    environment = workspace.stacks(CLOUD) / "environment.yaml"
    environment.write_text(environment.read_text().replace("GlanceCount: 1", "GlanceCount: 3"))
    heatenv.merge(workspace, CLOUD)
    parameters = heatenv.parameters(workspace, CLOUD)
    assert (parameters["KeystoneCount"], parameters["GlanceCount"]) == (2, 3)
    give(workspace, {})
    heatenv.merge(workspace, CLOUD)
    assert heatenv.parameters(workspace, CLOUD)["KeystoneCount"] == 1


def test_a_file_of_any_form_is_kept_as_json(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("overcloud-hypervisor: docker\nparameters: {KeystoneCount: 2}\n")
    heatenv.adopt(workspace, CLOUD, path)
    user = heatenv.kept(workspace, CLOUD)
    assert (user.hypervisor, user.parameters) == ("docker", {"KeystoneCount": 2})
    kept = workspace.stacks(CLOUD) / "user-env.json"
    assert json.loads(kept.read_text())["parameters"] == {"KeystoneCount": 2}


def test_nothing_is_kept_at_first(workspace: Workspace) -> None:
    assert heatenv.kept(workspace, CLOUD).parameters == {}
    assert heatenv.parameters(workspace, CLOUD) == {}
    heatenv.adopt(workspace, CLOUD, None)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("KeystoneCuont", "no parameter KeystoneCuont", "did you mean 'KeystoneCount'?"),
        ("GlanceDbPassword", "GlanceDbPassword is a secret", "change it in"),
        ("GlanceImage", "GlanceImage is computed", "load-image gives the images"),
        ("KeyName", "KeyName is computed", "devtest the key"),
        ("KeystoneCount", "KeystoneCount: 'x' is not a number", "0, 1"),
    ],
)
def test_what_is_not_the_users_to_give(
    name: str, message: str, hint: str, workspace: Workspace
) -> None:
    give(workspace, {"parameters": {"KeystoneCount": 2}})
    with pytest.raises(InputError, match=message) as error:
        give(workspace, {"parameters": {name: "x"}})
    assert hint in str(error.value)
    assert f"{workspace.state / 'mine.json'}:1:" in str(error.value)
    # The good file is still there.
    assert heatenv.kept(workspace, CLOUD).parameters == {"KeystoneCount": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"parameter": {}}, "unknown key 'parameter'"),
        ({"parameters": []}, "parameters: a list is not a mapping"),
        ({"overcloud-hypervisor": "xen"}, "overcloud-hypervisor: 'xen' is unknown"),
        ([], "Heat environment: a list is not a mapping"),
    ],
)
def test_bad_files_change_nothing(
    content: Any,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path / "state"))
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    assert main.main(["run", "--heat-env", str(path)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
    assert main.main(["run", "--heat-env", str(tmp_path / "nowhere.json")]) == 2


class Arguments:
    """What argparse makes of the options."""

    cloud = None
    quiet = True
    verbose = False

    def __init__(self, hypervisor: str | None = None, heat_env: Path | None = None) -> None:
        self.hypervisor, self.heat_env = hypervisor, heat_env


def test_one_word(workspace: Workspace, tmp_path: Path) -> None:
    found = workspace
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"overcloud-hypervisor": "docker"}))

    def types(arguments: Any) -> set[str]:
        steps = commands.prepare(arguments, found)
        generate.generate(steps.file, found.stacks(steps.cloud), hypervisor=steps.hypervisor)
        return set(steps.types().values()) | {str(steps.hypervisor)}

    assert types(Arguments()) == {"lxc", "None"}
    assert types(Arguments(hypervisor="ironic")) == {"ironic"}
    assert types(Arguments(heat_env=file)) == {"docker"}
    assert types(Arguments(hypervisor="kvm", heat_env=file)) == {"kvm"}
    heatenv.adopt(found, CLOUD, file)
    # Later commands need not be told again.
    assert types(Arguments()) == {"docker"}


def test_the_users_count_is_that_of_machines(workspace: Workspace) -> None:
    file = examples_path() / "overcloud.yaml"
    generate.generate(file, workspace.stacks(CLOUD), hypervisor="ironic")
    allow_many(workspace)
    give(workspace, {"parameters": {"KeystoneCount": 2, "GlanceCount": "3"}})
    steps = Steps(workspace, CLOUD, file, Progress(True))
    counts = {"database": 1, "memcached": 1, "keystone": 2, "glance": 3}
    assert steps.machines() == counts


def test_types_are_those_that_were_generated(workspace: Workspace) -> None:
    file = examples_path() / "overcloud.yaml"
    generate.generate(file, workspace.stacks(CLOUD), hypervisor="docker")
    steps = Steps(workspace, CLOUD, file, Progress(True))
    roles = ("database", "memcached", "keystone", "glance")
    assert steps.types() == dict.fromkeys(roles, "docker")
