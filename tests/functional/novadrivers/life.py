# SPDX-License-Identifier: Apache-2.0
"""Life of docker instances: the real driver, Nova's library and a real daemon, without a cloud.

Run it in a network namespace of its own, by a Python that has Nova (any release from Zed on),
os-vif (3.x for Linux bridges) and the docker SDK:

    PYTHONPATH=. unshare -n python3 tests/functional/novadrivers/life.py
        --url unix:///run/docker.sock --archive IMAGE.tar --work DIRECTORY [--ovs CONNECTION]

The archive's image must have systemd, with ShowStatus=no as element target-container has it (under
podman nobody reads the console), and iproute2. What a cloud would give is made here: the
instance, Glance's file, Neutron's port on a Linux bridge (with --ovs on br-test, an Open vSwitch
bridge of that namespace, 10.252.9.1/24) and its event. Everything else is real. Every step is
checked; the exit code is 1 at the first that fails. With --helper it need not be root: the
privileged helper is started through it.
"""

import argparse
import contextlib
import logging
import shlex
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from unittest import mock

from nova import monkey_patch

if hasattr(monkey_patch, "patch"):
    monkey_patch.patch(backend="threading")

import nova.conf
import nova.context
import os_vif
from nova import config, exception, objects, version
from nova.compute import power_state
from nova.network import model, neutron
from nova.virt import driver as nova_driver
from nova.virt import event as virtevent
from oslo_utils import timeutils

from novadrivers import compute
from novadrivers.docker import engine
from novadrivers.docker.images import names as image_names

CONF = nova.conf.CONF
GATEWAY = "10.252.9.1"


class VirtAPI:
    """What nova-compute's manager is to a driver; Neutron's events are there at once."""

    def __init__(self):
        self.awaited = []

    @contextlib.contextmanager
    def wait_for_instance_event(self, instance, event_names, *args):
        self.awaited += event_names
        yield


def step(text):
    print(f"{time.monotonic() - STARTED:6.1f}  {text}", flush=True)


def until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds} s: {what}")


class Cloud:
    """One instance, its image and its ports."""

    def __init__(self, arguments):
        self.ovs = arguments.ovs
        self.hybrid = arguments.hybrid
        self.archive = arguments.archive
        self.restart = arguments.restart
        self.context = nova.context.RequestContext("user", "project", is_admin=True)
        self.virtapi = VirtAPI()
        self.driver = nova_driver.load_compute_driver(self.virtapi)
        self.events = []
        self.driver.register_event_listener(self.events.append)
        self.image_id = str(uuid.uuid4())
        self.uploaded = arguments.work / "uploaded.tar"
        self.instance = self.make_instance(arguments.memory)
        self.network = [self.make_vif(20)]

    def make_flavor(self, memory):
        return objects.Flavor(
            context=self.context,
            id=1,
            name="f",
            memory_mb=memory,
            vcpus=1,
            root_gb=2,
            ephemeral_gb=0,
            swap=0,
            flavorid="1",
            rxtx_factor=1.0,
            vcpu_weight=0,
            disabled=False,
            is_public=True,
            extra_specs={"quota:cpu_shares": "512"},
            projects=[],
        )

    def make_instance(self, memory):
        identity = str(uuid.uuid4())
        flavor = self.make_flavor(memory)
        instance = objects.Instance(
            context=self.context,
            id=7,
            uuid=identity,
            hostname="docker-test",
            host=CONF.host,
            display_name="docker-test",
            project_id="project",
            user_id="user",
            launch_index=0,
            reservation_id="r-1",
            availability_zone="nova",
            metadata={"role": "test"},
            system_metadata={},
            user_data="IyEvYmluL3NoCmVjaG8gdXNlciBkYXRhCg==",
            key_name=None,
            key_data=None,
            root_device_name="/dev/sda",
            default_ephemeral_device=None,
            default_swap_device=None,
            image_ref=self.image_id,
            kernel_id="",
            ramdisk_id="",
            created_at=timeutils.utcnow(with_timezone=True),
            vm_state="active",
            task_state=None,
            power_state=power_state.RUNNING,
            deleted=False,
            flavor=flavor,
            old_flavor=None,
            new_flavor=None,
            trusted_certs=None,
            numa_topology=None,
            device_metadata=None,
            keypairs=objects.KeyPairList(objects=[]),
            ephemeral_key_uuid=None,
            security_groups=objects.SecurityGroupList(objects=[]),
            node=CONF.host,
            ec2_ids=objects.EC2Ids(instance_id="i-7", ami_id="ami-7", kernel_id="", ramdisk_id=""),
            launched_at=timeutils.utcnow(with_timezone=True),
            tags=objects.TagList(objects=[]),
        )
        instance.info_cache = objects.InstanceInfoCache(
            instance_uuid=identity, network_info=model.NetworkInfo([])
        )
        return instance

    def make_vif(self, host):
        subnet = model.Subnet(
            cidr="10.252.9.0/24",
            version=4,
            gateway=model.IP(GATEWAY, type="gateway"),
            ips=[model.FixedIP(address=f"10.252.9.{host}")],
            dns=[model.IP("10.252.9.2", type="dns")],
            routes=[],
        )
        network = model.Network(
            id=str(uuid.uuid4()),
            bridge="br-test",
            label="n",
            subnets=[subnet],
            mtu=1450,
            should_create_bridge=True,
        )
        port = str(uuid.uuid4())
        details = {"port_filter": True, "ovs_hybrid_plug": self.hybrid, "datapath_type": "netdev"}
        return model.VIF(
            id=port,
            address=f"fa:16:3e:aa:00:{host:02x}",
            network=network,
            type="ovs" if self.ovs else "bridge",
            details=details,
            ovs_interfaceid=port,
            devname=f"tap{port[:11]}",
            vnic_type="normal",
            active=False,
            profile={},
        )

    def image_meta(self, **changes):
        fields = {
            "id": self.image_id,
            "name": "image",
            "container_format": "docker",
            "disk_format": "raw",
            "properties": {},
            "min_disk": 0,
            "min_ram": 0,
            "status": "active",
        }
        return objects.ImageMeta.from_dict(fields | changes)

    def fetch(self, context, image_id, path, *args):
        shutil.copy(self.archive, path)

    def upload(self, context, image_id, described, data, purge_props=True):
        with self.uploaded.open("wb") as file:
            shutil.copyfileobj(data, file)

    def bound_host(self):
        """Return the host that Nova binds ports to when it takes an instance over."""
        api = neutron.API()
        with mock.patch.object(api, "_update_port_binding_for_instance") as update:
            api.setup_instance_network_on_host(self.context, self.instance, CONF.host)
        return update.call_args.args[2]

    def spawn(self, **changes):
        self.driver.spawn(
            self.context,
            self.instance,
            self.image_meta(**changes),
            [("/etc/extra", b"file")],
            "secret",
            {},
            network_info=self.network,
        )

    # What the instance says of itself

    def inside(self, *command):
        api, name = self.driver._api, f"nova-{self.instance.uuid}"
        run = api.exec_create(name, list(command))
        return api.exec_start(run["Id"]).decode(errors="replace").strip()

    def power(self):
        return self.driver.get_info(self.instance).state

    def is_up(self):
        return self.power() == power_state.RUNNING and self.inside(
            "systemctl", "is-system-running"
        ) in ("running", "degraded")

    def boot_number(self):
        return self.driver._containers.state(self.instance.uuid).pid

    def reachable(self):
        """Nothing listens on that port: a refusal is the kernel of the instance's answer."""
        try:
            socket.create_connection(("10.252.9.20", 9), timeout=2).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True

    def healthy(self, what):
        until(f"{what}: systemd runs", self.is_up)
        until(f"{what}: it answers", self.reachable, 10)


def refusals(cloud):
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
        # It knows no least.
        memory, flavor.memory_mb = flavor.memory_mb, 4
        refused(exception.InvalidInput, "inimum memory limit")
        flavor.memory_mb = memory
    nothing_left(cloud)
    try:
        cloud.driver.suspend(cloud.context, cloud.instance)
    except NotImplementedError as caught:
        step(f"refused: {caught}")


def interruptions(cloud):
    """Kill nova-compute in the middle of a boot; what is there then is deleted by the next one."""

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
            raise AssertionError(f"never came to {point}")
        assert cloud.driver.list_instance_uuids() == [cloud.instance.uuid], point
        cloud.driver.destroy(cloud.context, cloud.instance, cloud.network)
        nothing_left(cloud)
    step("killed at five points of a boot: the delete leaves nothing")


def half_deleted(cloud):
    """Killed between containers and files: Nova's periodic task removes the rest."""
    cloud.spawn()
    with mock.patch("novadrivers.docker.files.remove"):
        cloud.driver.destroy(cloud.context, cloud.instance, cloud.network)
    assert (Path(CONF.instances_path) / cloud.instance.uuid / "config-drive").exists()
    assert cloud.driver.delete_instance_files(cloud.instance) is True
    nothing_left(cloud)
    step("killed between the containers and the files of a delete: the rest goes later")


def broken_ports(cloud):
    """A port that cannot be plugged leaves no device, and is what Nova can bear at its start."""
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
    # Besides the cache.
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
        step("this kernel's control groups have no limits here: not looked at")
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
    until("it is down", lambda: cloud.power() == power_state.SHUTDOWN)
    time.sleep(2)
    assert cloud.power() == power_state.SHUTDOWN
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
        # A moment more than the daemon's end takes: nothing of it may come late.
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


def configure(arguments):
    work = arguments.work
    path = work / "nova.conf"
    path.write_text(
        f"[DEFAULT]\nhost = node-docker\nstate_path = {work}\ninstances_path = {work}/instances\n"
        "compute_driver = docker.DockerDriver\nvif_plugging_timeout = 30\nmy_ip = 127.0.0.1\n"
        f"[oslo_concurrency]\nlock_path = {work}/lock\n[docker]\nurl = {arguments.url}\n"
        "[sharedagent]\nagent_host = node\n[os_vif_ovs]\n"
        f"ovsdb_connection = {arguments.ovs or 'tcp:127.0.0.1:6640'}\n"
    )
    for section in (
        "novadrivers_privileged",
        "vif_plug_ovs_privileged",
        "vif_plug_linux_bridge_privileged",
        "nova_sys_admin",
    ):
        with path.open("a") as file:
            file.write(
                f"[{section}]\nhelper_command = {arguments.helper} {sys.executable} -c "
                "'from oslo_privsep.daemon import helper_main; helper_main()' "
                f"--config-file {path}\n"
            )
    objects.register_all()
    sys.argv = ["nova-compute", "--config-file", str(path)]
    config.parse_args(sys.argv)
    compute.extend_nova()
    os_vif.initialize()


def make_bridge():
    for command in (
        "link set lo up",
        "link add br-test type bridge",
        "link set br-test up",
        f"address add {GATEWAY}/24 dev br-test",
    ):
        subprocess.run(["ip", *command.split()], check=True)


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
            # No build was interrupted.
            "nova.objects.InstanceList.get_by_host": lambda *args: [],
        }.items():
            stack.enter_context(mock.patch(target, side_effect=replacement))
        cloud.driver.init_host(CONF.host)
        resources(cloud)
        try:
            refusals(cloud)
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


STARTED = time.monotonic()
if __name__ == "__main__":
    main()
