# SPDX-License-Identifier: Apache-2.0
"""How an image is found by id or name; load-image's tests cover what it does with images."""

import sys
from collections.abc import Iterator
from pathlib import Path

import loopback
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "imagebuild"))

import fakeglance
from fakeglance import FakeGlance

from altostratus.clients.errors import ServiceError
from altostratus.clients.glance import Glance
from altostratus.errors import AltostratusError


@pytest.fixture
def fake() -> Iterator[FakeGlance]:
    with fakeglance.serving() as found:
        yield found


@pytest.fixture
def glance(fake: FakeGlance) -> Glance:
    return Glance(loopback.region(fake.url))


def test_an_image_by_id_or_exact_name(fake: FakeGlance, glance: Glance) -> None:
    other, image = fake.add(name="Kernel"), fake.add(name="kernel")
    assert glance.identify("kernel") == image
    assert glance.identify(other) == other
    assert glance.identify("ramdisk") is None


def test_a_name_of_several_images_is_no_answer(fake: FakeGlance, glance: Glance) -> None:
    ids = [fake.add(name="kernel"), fake.add(name="kernel")]
    with pytest.raises(AltostratusError, match=f"several images are named kernel: {ids[0]}, "):
        glance.identify("kernel")


def test_a_refusal_is_no_missing_image(fake: FakeGlance, glance: Glance) -> None:
    fake.status_of["GET"] = 500
    with pytest.raises(ServiceError, match=r"^Glance answers: as the test wishes \(HTTP 500\)$"):
        glance.identify("kernel")
