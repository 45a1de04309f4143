# SPDX-License-Identifier: Apache-2.0
"""Limits of the real kernel: raised for more guests than it allows, and put back."""

from pathlib import Path

import pytest

from devtest import limits

pytestmark = pytest.mark.gate


def test_a_real_limit_is_raised_and_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a record of its own: an undercloud that runs beside the test keeps its values."""
    (instances,) = [each for each in limits.LIMITS if "instances" in each.name]
    monkeypatch.setattr(limits, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(limits, "LIMITS", (instances,))
    before = instances.value()
    assert before
    # Nine for each guest: more than there are.
    guests = before // 9 + 1
    said = limits.lift(tmp_path, guests)
    try:
        raised = instances.value()
        assert raised is not None
        assert raised >= 9 * guests > before - 9
        assert f"raised from {before} to {raised}" in said[0]
    finally:
        limits.release(tmp_path)
    assert instances.value() == before
