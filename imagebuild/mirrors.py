# SPDX-License-Identifier: Apache-2.0
"""The Debian mirrors that this machine uses, so that image builds use the same.

diskimage-builder's defaults are the public ones; it does not derive the security archive from the
main one (element debian-minimal, environment.d/10-debian-minimal.bash).
"""

from altostratus import process

# Variable of diskimage-builder for the URI of an archive, by apt's "Label" of it.
_VARIABLES = {
    "Debian": "DIB_DISTRIBUTION_MIRROR",
    "Debian-Security": "DIB_DEBIAN_SECURITY_MIRROR",
}


def mirror_options() -> dict[str, str]:
    """Return diskimage-builder's variables for the mirrors in this machine's apt configuration.

    Empty on a machine without apt, or whose apt gets no Debian packages over HTTP.
    """
    command = ["apt-get", "indextargets", "--format", "$(LABEL)\t$(REPO_URI)"]
    try:
        output = process.run([*command, "Created-By: Packages"]).stdout
    except process.CommandError:
        return {}
    return parse_index_targets(output)


def parse_index_targets(output: str) -> dict[str, str]:
    """Return the variables for lines of "label, tab, URI"; the first line of each label is used."""
    options: dict[str, str] = {}
    for line in output.splitlines():
        label, _, uri = line.partition("\t")
        if label in _VARIABLES and uri.startswith(("http://", "https://")):
            options.setdefault(_VARIABLES[label], uri.rstrip("/"))
    return options
