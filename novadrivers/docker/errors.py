# SPDX-License-Identifier: Apache-2.0
"""Errors of the modules that do not import Nova; ``failures`` translates them to Nova's."""


class DockerDriverError(Exception):
    """Base class; the text is meant for the user."""


class UnusableImage(DockerDriverError):
    """No instance can be made from the image; the text says why."""


class ImageTooBig(DockerDriverError):
    """The image is larger than the flavor's root disk."""

    def __init__(self, needed: int, given: int) -> None:
        """Take the image's size and the root disk's, ``needed`` and ``given``, in bytes."""
        super().__init__(f"the image needs {needed} bytes, the flavor's root disk has {given}")
        self.needed = needed
        self.given = given


class NoContainer(DockerDriverError):
    """The instance has no container on this node."""

    def __init__(self, uuid: str, container: str) -> None:
        """Take the name of the missing ``container`` of the instance ``uuid``."""
        super().__init__(f"the container {container} does not exist")
        self.uuid = uuid


class UnusablePort(DockerDriverError):
    """A port of this type cannot be plugged into a container."""


class UnusableFlavor(DockerDriverError):
    """The flavor has an invalid extra spec."""


class GuestEnded(DockerDriverError):
    """The instance's first process ended as soon as it was started."""
