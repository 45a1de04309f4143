# SPDX-License-Identifier: Apache-2.0
"""Life of docker instances: the real driver, Nova's library and a real daemon, without a cloud.

Run it in a network namespace of its own, by a Python that has Nova (any release from Zed on),
os-vif (3.x for Linux bridges) and the docker SDK:

    PYTHONPATH=. unshare -n python3 tests/functional/novadrivers/life.py
        --url unix:///run/docker.sock --archive IMAGE.tar --work DIRECTORY [--ovs CONNECTION]

If that Python is in a root directory of its own, enter it with pivot_root: under chroot alone,
`docker exec` uses the machine's /proc.

The archive's image must have iproute2, and systemd with ShowStatus=no as in the element
target-container (with podman, nothing reads the console). What a cloud would provide is made here:
the instance, Glance's file, Neutron's port on a Linux bridge (with --ovs: on br-test, an Open
vSwitch bridge in that namespace with the address 10.252.9.1/24) and its event. Everything else is
real. Every step is checked; the exit code is 1 if one fails. With --helper, a command that runs the
privileged helper as root, it need not be started by root.
"""

import argparse
import contextlib
import logging
import shlex
import socket
import subprocess
import time
import uuid
from pathlib import Path
from unittest import mock

# First: it lets Nova choose between eventlet and threads.
from nocloud import CONF, GATEWAY, Cloud, configure, make_bridge, step, until  # isort: skip
from nova import exception, version
from nova.compute import power_state
from nova.network import model
from nova.virt import driver as nova_driver
from nova.virt import event as virtevent

from novadrivers.docker import engine
from novadrivers.docker.images import names as image_names


def unsupported(cloud):
    def refused(error, text, **changes):
        try:
            cloud.spawn(**changes)
        except error as caught:
            assert text in str(caught), caught
            step(f"refused: {caught}")
            return
        raise AssertionError(f"not refused: {changes}")

    refused(exception.ImageUnacceptable, "not docker", container_format="bare")
    good = cloud.archive
    cloud.archive = Path(__file__)
    refused(exception.ImageUnacceptable, "no docker archive")
    cloud.archive = good
    cloud.instance.flavor.root_gb, cloud.image_id = 2, str(uuid.uuid4())
    with mock.patch("oslo_utils.units.Gi", 1024):
        refused(exception.FlavorDiskSmallerThanImage, "too small")
    flavor = cloud.instance.flavor
    flavor.extra_specs["quota:cpu_quota"] = "much"
    refused(exception.InvalidInput, "not a number")
    del flavor.extra_specs["quota:cpu_quota"]
    if not engine.describe(cloud.driver._api).podman:
        # podman has no minimum.
        memory, flavor.memory_mb = flavor.memory_mb, 4
        refused(exception.InvalidInput, "inimum memory limit")
        flavor.memory_mb = memory
    nothing_left(cloud)
    try:
        cloud.driver.suspend(cloud.context, cloud.instance)
    except NotImplementedError as caught:
        step(f"refused: {caught}")


def interruptions(cloud):
    """Kill nova-compute in the middle of a boot; the next one deletes what is left."""

    class Killed(BaseException):
        pass

    for point in (
        "novadrivers.docker.containers.Containers._create_instance",
        "novadrivers.docker.links.create",
        "os_vif.plug",
        "novadrivers.docker.links.configure",
        "novadrivers.docker.containers.Containers.start",
    ):
        with (
            mock.patch(point, side_effect=Killed),
            mock.patch.object(cloud.driver, "cleanup"),
            mock.patch("novadrivers.docker.links.delete"),
            mock.patch("os_vif.unplug"),
            contextlib.suppress(Killed),
        ):
            cloud.spawn()
            raise AssertionError(f"never reached {point}")
        assert cloud.driver.list_instance_uuids() == [cloud.instance.uuid], point
        cloud.driver.destroy(cloud.context, cloud.instance, cloud.network)
        nothing_left(cloud)
    step("killed at five points of a boot: the delete leaves nothing")


def half_deleted(cloud):
    """nova-compute is killed after removing the containers; a periodic task removes the files."""
    cloud.spawn()
    with mock.patch("novadrivers.docker.files.remove"):
        cloud.driver.destroy(cloud.context, cloud.instance, cloud.network)
    assert (Path(CONF.instances_path) / cloud.instance.uuid / "config-drive").exists()
    assert cloud.driver.delete_instance_files(cloud.instance) is True
    nothing_left(cloud)
    step("killed between the containers and the files of a delete: the rest goes later")


def broken_ports(cloud):
    """A port that cannot be plugged leaves no device, and nova-compute starts in spite of it."""
    extra = cloud.make_vif(22)
    for point in ("os_vif.plug", "novadrivers.docker.links.configure"):
        with mock.patch(point, side_effect=OSError("no such bridge")):
            try:
                cloud.driver.plug_vifs(cloud.instance, [*cloud.network, extra])
                raise AssertionError("plugged")
            except exception.VirtualInterfacePlugException as caught:
                assert "no such bridge" in str(caught), caught
            assert extra["devname"] not in [name for _, name in socket.if_nameindex()]
    cloud.driver.plug_vifs(cloud.instance, cloud.network)
    cloud.healthy("after a port that could not be plugged")
    step("ports that cannot be plugged: nothing of them stays, the instance goes on")


def nothing_left(cloud):
    # Except in the cache.
    images = cloud.driver._api.images()
    names = [name for image in images for name in image["RepoTags"] or ["<none>"]]
    assert all("nova-glance/" in name for name in names), names
    assert cloud.driver.list_instance_uuids() == []
    assert cloud.network[0]["devname"] not in [name for _, name in socket.if_nameindex()]
    assert not (Path(CONF.instances_path) / cloud.instance.uuid).exists()


def boot(cloud):
    cloud.spawn()
    assert cloud.virtapi.awaited == [("network-vif-plugged", cloud.network[0]["id"])]
    cloud.healthy("boot")
    assert "10.252.9.20/24" in cloud.inside("ip", "-brief", "address", "show", "eth0")
    assert "mtu 1450" in cloud.inside("ip", "link", "show", "eth0")
    assert f"default via {GATEWAY}" in cloud.inside("ip", "route")
    assert cloud.inside("hostname") == "docker-test"
    drive = "/mnt/config/openstack/latest"
    assert "user data" in cloud.inside("cat", f"{drive}/user_data")
    assert cloud.instance.uuid in cloud.inside("cat", f"{drive}/meta_data.json")
    assert "fa:16:3e:aa:00:14" in cloud.inside("cat", f"{drive}/network_data.json")
    limits = cloud.driver._api.inspect_container(f"nova-{cloud.instance.uuid}")["HostConfig"]
    if cloud.driver._api.info()["MemoryLimit"]:
        assert limits["Memory"] == cloud.instance.flavor.memory_mb * 2**20, limits["Memory"]
        assert limits["CpuShares"] == 512
    else:
        step("this kernel's control groups have no limits here: not checked")
    assert not limits["Privileged"]
    assert cloud.driver.list_instance_uuids() == [cloud.instance.uuid]
    console = cloud.driver.get_console_output(cloud.context, cloud.instance)
    assert b"systemd" in console or b"login" in console or console, console
    step(f"boot: systemd, address, config drive, limits, console ({len(console)} bytes)")


def power(cloud):
    driver, context, instance, network = cloud.driver, cloud.context, cloud.instance, cloud.network
    for kind in ("SOFT", "HARD"):
        before = cloud.boot_number()
        driver.reboot(context, instance, network, kind)
        assert cloud.boot_number() != before
        cloud.healthy(f"{kind} reboot")
        step(f"{kind} reboot")
    driver.power_off(instance, 30)
    assert cloud.power() == power_state.SHUTDOWN
    driver.power_on(context, instance, network)
    cloud.healthy("power on")
    step("power off and on")
    driver.pause(instance)
    assert cloud.power() == power_state.PAUSED
    driver.unpause(instance)
    cloud.healthy("unpause")
    driver.pause(instance)
    driver.reboot(context, instance, network, "HARD")
    cloud.healthy("hard reboot of a paused instance")
    step("pause, unpause, hard reboot while paused")


def inside(cloud):
    before = cloud.boot_number()
    cloud.inside("systemctl", "reboot")
    until("reboot inside", lambda: cloud.boot_number() not in (0, before))
    cloud.healthy("reboot inside")
    step("reboot inside")
    cloud.events.clear()
    cloud.inside("systemctl", "poweroff")
    until(
        "Nova hears of the power-off inside",
        lambda: any(e.transition == virtevent.EVENT_LIFECYCLE_STOPPED for e in cloud.events),
    )
    assert cloud.power() == power_state.SHUTDOWN
    cloud.driver.power_on(cloud.context, cloud.instance, cloud.network)
    cloud.healthy("power on after power-off inside")
    step("power-off inside, and start")


def ports(cloud):
    extra = cloud.make_vif(21)
    cloud.driver.attach_interface(cloud.context, cloud.instance, cloud.image_meta(), extra)
    assert "10.252.9.21/24" in cloud.inside("ip", "-brief", "address", "show", "eth1")
    cloud.driver.plug_vifs(cloud.instance, [*cloud.network, extra])
    cloud.driver.detach_interface(cloud.context, cloud.instance, extra)
    assert "eth1" not in cloud.inside("ip", "link")
    cloud.healthy("other port gone")
    step("port attached, plugged again, detached")


def losses(cloud):
    api, name = cloud.driver._api, f"nova-{cloud.instance.uuid}"
    api.kill(f"{name}-net")
    cloud.driver.reboot(cloud.context, cloud.instance, cloud.network, "HARD")
    cloud.healthy("hard reboot after the sandbox was killed")
    step("sandbox killed, repaired by a hard reboot")
    # nova-compute restarts while the instance reboots itself
    cloud.driver.cleanup_host(CONF.host)
    cloud.inside("systemctl", "reboot")
    until("it is down", lambda: not cloud.boot_number())
    time.sleep(2)
    assert not cloud.boot_number()
    assert cloud.power() == power_state.RUNNING, "Nova would stop the instance"
    cloud.driver = nova_driver.load_compute_driver(cloud.virtapi)
    cloud.driver.register_event_listener(cloud.events.append)
    cloud.driver.init_host(CONF.host)
    cloud.driver.plug_vifs(cloud.instance, cloud.network)
    cloud.healthy("reboot seen by the next nova-compute")
    step("nova-compute restarted: it starts what rebooted meanwhile, ports are in place")


def daemon(cloud):
    live = cloud.driver._api.info().get("LiveRestoreEnabled")
    before = cloud.boot_number()
    cloud.events.clear()
    subprocess.run(shlex.split(cloud.restart), check=True)
    cloud.instance.info_cache.network_info = model.NetworkInfo(cloud.network)
    found = mock.patch("nova.objects.Instance.get_by_uuid", return_value=cloud.instance)
    with found:
        cloud.healthy("after the restart of the daemon")
        # Longer than the daemon takes to end: no late event may do harm.
        time.sleep(8)
    cloud.healthy("after the restart of the daemon, later")
    assert (cloud.boot_number() == before) == bool(live), "live restore keeps the processes"
    stopped = [e for e in cloud.events if e.transition == virtevent.EVENT_LIFECYCLE_STOPPED]
    assert not stopped, "Nova would stop the instance"
    step(f"daemon restarted, live restore {live}: the instance {'went on' if live else 'is back'}")


def snapshot(cloud):
    cloud.inside("sh", "-c", "echo kept > /root/marker")
    states = []
    with mock.patch("nova.image.glance.API.update", side_effect=cloud.upload):
        cloud.driver.snapshot(
            cloud.context, cloud.instance, str(uuid.uuid4()), lambda **state: states.append(state)
        )
    assert len(states) == 2
    step(f"snapshot of {cloud.uploaded.stat().st_size >> 20} MiB")
    cloud.driver.destroy(cloud.context, cloud.instance, cloud.network)
    cloud.archive, cloud.image_id = cloud.uploaded, str(uuid.uuid4())
    cloud.spawn()
    cloud.healthy("boot from the snapshot")
    assert cloud.inside("cat", "/root/marker") == "kept"
    step("rebuilt from the snapshot")


def cache(cloud):
    assert cloud.driver.cache_image(cloud.context, cloud.image_id) is False
    used = mock.Mock(image_ref=cloud.image_id)
    CONF.set_override("remove_unused_original_minimum_age_seconds", 0, "image_cache")
    cloud.driver.manage_image_cache(cloud.context, [used])
    assert image_names(cloud.driver._api, "nova-glance") == [cloud.image_id]
    step("image cache: unused images removed")


def gone(cloud):
    cloud.driver.destroy(cloud.context, cloud.instance, cloud.network)
    nothing_left(cloud)
    cloud.driver.destroy(cloud.context, cloud.instance, cloud.network)
    CONF.set_override("remove_unused_original_minimum_age_seconds", -1, "image_cache")
    cloud.driver.manage_image_cache(cloud.context, [])
    assert image_names(cloud.driver._api, "nova-glance") == []
    step("deleted twice; no container, device or file left")


def resources(cloud):
    found = cloud.driver.get_available_resource(CONF.host)
    assert found["supported_instances"][0][1:] == ("docker", "exe")
    (node,) = cloud.driver.get_available_nodes()
    assert cloud.driver.network_binding_host_id(cloud.context, cloud.instance) == "node"
    assert cloud.driver.manages_network_binding_host_id()
    assert cloud.bound_host() == "node"
    shown = {key: found[key] for key in ("vcpus", "memory_mb", "local_gb", "hypervisor_version")}
    step(f"resources of {node}: {shown} uuid={found.get('uuid')}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--ovs", help="ovsdb connection of an Open vSwitch with the bridge br-test")
    parser.add_argument("--hybrid", action="store_true", help="a Linux bridge before br-test")
    parser.add_argument("--helper", default="", help="command that runs another as root")
    parser.add_argument("--restart", help="command that restarts the daemon")
    parser.add_argument("--memory", type=int, default=512)
    parser.add_argument("--keep", action="store_true", help="leave the instance running at the end")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="        log %(name)s: %(message)s")
    arguments.work.mkdir(parents=True, exist_ok=True)
    configure(arguments)
    step(f"Nova {version.version_string()}")
    cloud = Cloud(arguments)
    if not arguments.ovs:
        make_bridge()
    with contextlib.ExitStack() as stack:
        for target, replacement in {
            "nova.virt.images.fetch": cloud.fetch,
            "nova.api.metadata.base._format_instance_mapping": lambda instance: {},
            "nova.network.security_group_api.get_instance_security_groups": lambda *args: [],
            # There are no interrupted builds.
            "nova.objects.InstanceList.get_by_host": lambda *args: [],
        }.items():
            stack.enter_context(mock.patch(target, side_effect=replacement))
        cloud.driver.init_host(CONF.host)
        resources(cloud)
        try:
            unsupported(cloud)
            interruptions(cloud)
            half_deleted(cloud)
            cloud.virtapi.awaited.clear()
            boot(cloud)
            for part in (power, inside, ports, broken_ports, losses, snapshot, cache):
                part(cloud)
            if cloud.restart:
                daemon(cloud)
            gone(cloud)
        except BaseException:
            if not arguments.keep:
                cloud.driver.cleanup(cloud.context, cloud.instance, cloud.network)
            raise
        cloud.driver.cleanup_host(CONF.host)
    step("all passed")


if __name__ == "__main__":
    main()
