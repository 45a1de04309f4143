# SPDX-License-Identifier: Apache-2.0
"""Options of the Docker driver, group ``[docker]`` of nova.conf."""

from oslo_config import cfg

from novadrivers.shared.capabilities import HARMFUL

GROUP = "docker"
OPTIONS = [
    cfg.StrOpt(
        "url",
        # A local socket only: the driver adds network devices to the containers.
        regex="unix:///.+",
        default="unix:///var/run/docker.sock",
        help="Socket of dockerd, or of a podman service with the Docker API.",
    ),
    cfg.IntOpt("api_timeout", default=300, min=1, help="Timeout of one API call in seconds."),
    cfg.ListOpt(
        "command",
        default=["/sbin/init"],
        help="First process of an instance whose image has neither Cmd nor Entrypoint. The image "
        "property os_command_line takes precedence.",
    ),
    cfg.BoolOpt(
        "privileged", default=False, help="Give instances all privileges of the node's root."
    ),
    cfg.ListOpt(
        "cap_add",
        default=["NET_ADMIN", "SYS_BOOT"],
        help="Capabilities besides Docker's default set. With SYS_BOOT a reboot inside an instance "
        "differs from a power-off (exit status 129 and 130).",
    ),
    cfg.ListOpt(
        "cap_drop",
        default=[*(name.upper() for name in HARMFUL), "MKNOD"],
        help="Capabilities that instances do not have, unless cap_add names them. systemd needs "
        "none of these.",
    ),
    cfg.ListOpt("security_opt", default=[], help="Security options, such as apparmor=unconfined."),
    cfg.ListOpt(
        "devices",
        default=[],
        help="Devices of the node that every instance gets, such as /dev/net/tun.",
    ),
    cfg.ListOpt(
        "tmpfs",
        default=["/run", "/run/lock"],
        help="Where to mount a tmpfs; systemd expects these.",
    ),
    cfg.ListOpt(
        "config_drive_paths",
        default=["/var/lib/cloud/seed/config_drive", "/mnt/config"],
        help="Directories where an instance finds its config drive: those of cloud-init and glean.",
    ),
    cfg.BoolOpt(
        "configure_ips",
        default=True,
        help="Set the ports' addresses and routes from the node, so that no DHCP is needed.",
    ),
    cfg.BoolOpt(
        "disk_quota",
        default=False,
        help="Limit the root disk to the flavor's size. Docker can do it only with overlay2 on xfs "
        "with pquota, zfs or btrfs.",
    ),
    cfg.IntOpt(
        "pids_limit", default=4096, min=64, help="Maximum of processes and threads of an instance."
    ),
]


def register_options(conf: cfg.ConfigOpts) -> None:
    """Register ``[docker]`` in ``conf``."""
    conf.register_opts(OPTIONS, group=GROUP)
