# SPDX-License-Identifier: Apache-2.0
"""Options of the Docker driver, group ``[docker]`` of nova.conf."""

from oslo_config import cfg

GROUP = "docker"
OPTIONS = [
    cfg.StrOpt(
        "url",
        # The driver puts network interfaces into the containers: they are on its own machine.
        regex="unix:///.+",
        default="unix:///var/run/docker.sock",
        help="Socket of dockerd, or of a podman service that answers the Docker API.",
    ),
    cfg.IntOpt(
        "api_timeout", default=300, min=1, help="Seconds that one call of the API may take."
    ),
    cfg.ListOpt(
        "command",
        default=["/sbin/init"],
        help="First process of an instance whose image names none. The image property "
        "os_command_line comes before both.",
    ),
    cfg.BoolOpt(
        "privileged", default=False, help="Give instances every right of the machine's root."
    ),
    cfg.ListOpt(
        "cap_add",
        default=["NET_ADMIN", "SYS_BOOT"],
        help="Capabilities besides Docker's default set. With SYS_BOOT a reboot inside an instance "
        "differs from a power-off (exit status 129 and 130).",
    ),
    cfg.ListOpt("security_opt", default=[], help="Security options, such as apparmor=unconfined."),
    cfg.ListOpt(
        "devices",
        default=[],
        help="Devices of the machine that every instance gets, such as /dev/net/tun.",
    ),
    cfg.ListOpt("tmpfs", default=["/run", "/run/lock"], help="Where systemd expects a tmpfs."),
    cfg.ListOpt(
        "config_drive_paths",
        default=["/var/lib/cloud/seed/config_drive", "/mnt/config"],
        help="Where an instance finds its config drive, as a directory: cloud-init's seed, "
        "and glean's.",
    ),
    cfg.BoolOpt(
        "configure_ips",
        default=True,
        help="Set the ports' addresses and routes from outside; an instance then needs no DHCP.",
    ),
    cfg.BoolOpt(
        "disk_quota",
        default=False,
        help="Limit the root disk to the flavor's. Docker can do it with overlay2 on xfs with "
        "pquota, zfs or btrfs only.",
    ),
    cfg.IntOpt(
        "pids_limit", default=4096, min=64, help="Most processes and threads of an instance."
    ),
]


def register_options(conf: cfg.ConfigOpts) -> None:
    """Register ``[docker]`` in ``conf``."""
    conf.register_opts(OPTIONS, group=GROUP)
