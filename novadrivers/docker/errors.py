# SPDX-License-Identifier: Apache-2.0
"""Errors of the modules that know nothing of Nova; the driver turns them into Nova's."""


class DockerDriverError(Exception):
    """Base of this package's errors; the text is a whole sentence for the user."""


class UnusableImage(DockerDriverError):
    """The image cannot be an instance's; the text says why."""


class ImageTooBig(DockerDriverError):
    """The image does not fit the flavor's root disk."""

    def __init__(self, needed: int, given: int) -> None:
        """Record that an image needs ``needed`` bytes where the flavor has ``given``."""
        super().__init__(f"the image needs {needed} bytes, the flavor's root disk has {given}")
        self.needed = needed
        self.given = given


class NoContainer(DockerDriverError):
    """The instance has no container on this node."""

    def __init__(self, uuid: str, container: str) -> None:
        """Record that ``container`` of the instance ``uuid`` does not exist."""
        super().__init__(f"the container {container} does not exist")
        self.uuid = uuid


class UnusablePort(DockerDriverError):
    """The port's type cannot be plugged into a container."""


class UnusableFlavor(DockerDriverError):
    """The flavor wants what cannot be."""
