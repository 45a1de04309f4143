# SPDX-License-Identifier: Apache-2.0
from imagebuild.mirrors import parse_index_targets


def test_first_mirror_of_each_archive_counts() -> None:
    output = (
        "Docker CE\thttps://docker.example/\n"
        "Debian\tcdrom://disc/\n"
        "Debian\thttp://mirror.example/debian/\n"
        "Debian\thttp://second.example/debian/\n"
        "Debian-Security\thttp://mirror.example/debian-security/\n"
    )
    assert parse_index_targets(output) == {
        "DIB_DISTRIBUTION_MIRROR": "http://mirror.example/debian",
        "DIB_DEBIAN_SECURITY_MIRROR": "http://mirror.example/debian-security",
    }


def test_no_debian_no_mirrors() -> None:
    assert parse_index_targets("Ubuntu\thttp://u.example/ubuntu\n\n") == {}
