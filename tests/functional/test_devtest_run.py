# SPDX-License-Identifier: Apache-2.0
"""The whole chain on this machine: run, use, change, fail, run again."""

import json
import time
from pathlib import Path

import pytest
from conftest import OVERCLOUD, devtest, identities, openstack

from altostratus import datafiles
from altostratus.files import write_text
from devtest import clouds
from devtest.cloud import deploy, stacks
from devtest.undercloud import instances
from devtest.workspace import Workspace
from generator import generate
from generator.output import secretstore

pytestmark = pytest.mark.gate

SPECIAL = """p@s/s#w%o$r:d ;"'\\x%40$$y"""


def changed(path: Path, old: str, new: str) -> Path:
    """Write the default example with one change to ``path``."""
    text = (datafiles.examples_path() / "overcloud-lxc.yaml").read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_report_tells_every_step(overcloud: Workspace) -> None:
    newest = sorted(overcloud.reports.glob("*.json"))[-1]
    report = json.loads(newest.read_text())
    assert report["outcome"] == "done"
    names = [name for name, _ in report["steps"]]
    for expected in ("start undercloud", "load images", "deploy overcloud", "verify overcloud"):
        assert expected in names
    # The services' own, with a nova-compute for each of four types: what doctor counts on.
    assert 0 < report["memory"] < 4 * 1024**3


def test_both_clouds_answer_the_plain_client(overcloud: Workspace) -> None:
    servers = openstack("--os-cloud", "undercloud", "server", "list")
    assert {each["Name"] for each in servers} >= {"database-0", "keystone-0", "glance-0"}
    assert openstack("--os-cloud", OVERCLOUD, "token", "issue")["id"]
    services = openstack("--os-cloud", OVERCLOUD, "catalog", "list")
    assert {"keystone", "glance"} <= {each["Name"] for each in services}


def test_no_name_for_iscsi_comes_from_the_image(overcloud: Workspace) -> None:
    """Debian makes one when iscsid starts, which nothing here asks for."""
    done = devtest("undercloud", "enter", "cat", "/etc/iscsi/initiatorname.iscsi")
    assert done.stdout == "GenerateName=yes\n"


# Logging as the helper sets it up, in two threads; exits with the number of those that got stuck.
TWO_THREADS_LOG = """
import logging, runpy, shutil, threading
import oslo_privsep.daemon
from oslo_config import cfg
from oslo_log import log

def helper_main():
    log.register_options(cfg.CONF)
    cfg.CONF(args=[], project="privsep")
    log.setup(cfg.CONF, "privsep")
    def speak(name):
        for number in range(1000):
            logging.getLogger(f"{name}.{number}").debug("spoken")
    threads = [threading.Thread(target=speak, args=(each,), daemon=True) for each in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=30)
    return sum(each.is_alive() for each in threads)

oslo_privsep.daemon.helper_main = helper_main
runpy.run_path(shutil.which("privsep-helper"), run_name="__main__")
"""


def test_threads_of_a_privileged_helper_log_side_by_side(overcloud: Workspace) -> None:
    assert devtest("undercloud", "enter", "python3", "-c", TWO_THREADS_LOG).returncode == 0


def test_servers_sit_on_the_lxc_process_of_the_node(overcloud: Workspace) -> None:
    connection = clouds.connect(overcloud, "undercloud")
    for instance in instances.of_cloud(connection, OVERCLOUD):
        assert (instance.status, instance.host) == ("ACTIVE", "undercloud-lxc")
        assert set(instance.addresses) == {"ctlplane", "internal"}


def test_an_instance_is_entered_and_its_journal_read(overcloud: Workspace) -> None:
    done = devtest("ssh", "keystone-0", "cat", "/proc/1/comm")
    assert done.stdout == "systemd\n"
    assert "os-collect-config" in devtest("logs", "keystone-0", "--lines", "2000").stdout
    assert "keystone" in devtest("logs", "undercloud", "--lines", "2000").stdout
    shown = devtest("status").stdout
    assert "configuration applied" in shown
    assert "glance-0" in shown


def test_the_config_drive_is_a_directory_that_nobody_writes(overcloud: Workspace) -> None:
    """cloud-init took it; the metadata service, which would have done as well, was not asked."""
    result = devtest("ssh", "keystone-0", "cat", "/run/cloud-init/result.json").stdout
    assert "DataSourceConfigDrive" in result
    drive = "/var/lib/cloud/seed/config_drive"
    assert "ro" in devtest("ssh", "keystone-0", f"findmnt -no OPTIONS {drive}").stdout.split(",")
    assert devtest("ssh", "keystone-0", f"cat {drive}/openstack/latest/user_data").returncode != 0


def test_heat_shows_no_secret(overcloud: Workspace) -> None:
    """Not in what belongs to the stack; software configurations are another matter."""
    secrets = overcloud.generated(OVERCLOUD).secrets
    heat = stacks.client(clouds.connect(overcloud, "undercloud"))
    found = stacks.find(heat, OVERCLOUD)
    shown = [found.to_dict(), heat.stacks.template(found.id)]
    shown += [heat.stacks.files(found.id), heat.stacks.environment(found.id)]
    assert "server-lxc.yaml" in str(shown)
    assert [name for name, value in secrets.items() if value in str(shown)] == []


def test_running_again_changes_nothing(overcloud: Workspace) -> None:
    servers = identities(overcloud)
    heat = stacks.client(clouds.connect(overcloud, "undercloud"))
    updated = stacks.find(heat, OVERCLOUD).updated_time
    assert devtest("run").returncode == 0
    assert identities(overcloud) == servers
    assert stacks.find(heat, OVERCLOUD).updated_time == updated


def test_a_changed_key_reaches_the_service(overcloud: Workspace, tmp_path: Path) -> None:
    servers = identities(overcloud)
    file = changed(
        tmp_path / "cloud.yaml",
        "services: [memcached]\n",
        "services: [memcached]\n    config: {memcached: {memory_mb: 96}}\n",
    )
    assert devtest("run", "--cloud", str(file)).returncode == 0
    assert identities(overcloud) == servers
    shown = devtest("ssh", "memcached-0", "pgrep", "-a", "memcached").stdout
    assert (
        "-m 96" in shown or "96" in devtest("ssh", "memcached-0", "cat /etc/memcached.conf").stdout
    )


@pytest.mark.full
def test_a_failing_instance_is_named_at_once(
    overcloud: Workspace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A database that wants more memory than any machine has does not start."""
    file = tmp_path / "broken.yaml"
    text = (datafiles.examples_path() / "overcloud-lxc-combined.yaml").read_text()
    text = text.replace("name: overcloud-combined", "name: broken").replace(
        "  controller:", "  odd:"
    )
    broken = "[mariadb]\n    config: {mariadb: {buffer_pool_mb: 900000000}}"
    file.write_text(text.replace("[mariadb, memcached, keystone, glance]", broken))
    started = time.monotonic()
    done = devtest("run", "--cloud", str(file))
    said = capfd.readouterr().err
    heat = stacks.client(clouds.connect(overcloud, "undercloud"))
    stacks.delete(heat, "broken")
    assert done.returncode == 1
    assert "odd-0: post-configure.d/" in said
    assert "mariadb" in said
    # Heat itself would wait for its time to be up.
    assert time.monotonic() - started < deploy.TIMEOUT / 2


def test_the_combined_variant_lives_beside_it(overcloud: Workspace) -> None:
    example = datafiles.examples_path() / "overcloud-lxc-combined.yaml"
    assert devtest("run", "--cloud", str(example)).returncode == 0
    assert openstack("--os-cloud", "overcloud-combined", "token", "issue")["id"]
    assert openstack("--os-cloud", OVERCLOUD, "token", "issue")["id"]
    # Its services would cost the later tests their part of the processors.
    stacks.delete(stacks.client(clouds.connect(overcloud, "undercloud")), "overcloud-combined")


@pytest.mark.full
def test_secrets_may_have_special_characters(overcloud: Workspace, tmp_path: Path) -> None:
    """In URLs, oslo.config, SQL, Erlang and JSON: whatever reads one wrongly cannot log in."""
    text = (datafiles.examples_path() / "overcloud-lxc-combined.yaml").read_text()
    file = tmp_path / "special.yaml"
    file.write_text(text.replace("name: overcloud-combined", "name: special"))
    generate.generate(file, tmp_path / "out")
    secrets = secretstore.load(tmp_path / "out/secrets.yaml")
    special = {name: one for name, one in secrets.items() if "Key" in name}
    special |= dict.fromkeys(secrets.keys() - special.keys(), SPECIAL)
    write_text(overcloud.stacks("special") / "secrets.yaml", secretstore.text(special), 0o600)
    assert devtest("run", "--cloud", str(file)).returncode == 0
    assert openstack("--os-cloud", "special", "token", "issue")["id"]
    stacks.delete(stacks.client(clouds.connect(overcloud, "undercloud")), "special")
