# SPDX-License-Identifier: Apache-2.0
"""What a cloud provides to a driver, made without one: instance, image, ports, configuration."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import uuid
from unittest import mock

from nova import monkey_patch

if hasattr(monkey_patch, "patch"):
    monkey_patch.patch(backend="threading")

import nova.conf
import nova.context
import os_vif
from nova import config, objects
from nova.compute import power_state
from nova.network import model, neutron
from nova.virt import driver as nova_driver
from oslo_utils import timeutils

from novadrivers import patches

CONF = nova.conf.CONF
GATEWAY = "10.252.9.1"
STARTED = time.monotonic()


class VirtAPI:
    """Nova's VirtAPI for a driver; Neutron's events arrive at once."""

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

    # State of the instance, seen from inside and outside

    def inside(self, *command):
        api, name = self.driver._api, f"nova-{self.instance.uuid}"
        run = api.exec_create(name, list(command))
        return api.exec_start(run["Id"]).decode(errors="replace").strip()

    def power(self):
        return self.driver.get_info(self.instance).state

    def is_up(self):
        return self.boot_number() and self.inside("systemctl", "is-system-running") in (
            "running",
            "degraded",
        )

    def boot_number(self):
        return self.driver._containers.state(self.instance.uuid).pid

    def reachable(self):
        """Nothing listens on that port: the instance's kernel answers with a refused connection."""
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
    patches.install()
    os_vif.initialize()


def make_bridge():
    for command in (
        "link set lo up",
        "link add br-test type bridge",
        "link set br-test up",
        f"address add {GATEWAY}/24 dev br-test",
    ):
        subprocess.run(["ip", *command.split()], check=True)
