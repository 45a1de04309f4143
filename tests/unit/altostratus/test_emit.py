# SPDX-License-Identifier: Apache-2.0
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from altostratus.yamlfile import emit
from altostratus.yamlfile.document import parse
from altostratus.yamlfile.problems import Report

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(
        [
            "2021-04-16",
            "12:30",
            "yes",
            "NO",
            "0x10",
            "1_000",
            "~",
            "null",
            "<<",
            "=",
            "a: b",
            "a #b",
        ]
        + ["- x", "-", "10.0.0.1", "10.0.0.0/8", "1e3", ".5", "%index%", "a:", "get_ x", "@a", "&a"]
    )
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), TREES))
def test_what_is_written_is_read_back(tree: dict[str, object]) -> None:
    text = emit.document(tree, "header")
    assert (yaml.safe_load(text) or {}) == tree
    report = Report()
    assert (parse(text.encode(), "x", report).plain() or {}) == tree
    assert not report.problems


@pytest.mark.parametrize("empty", [[], {}])
def test_an_empty_collection_after_a_long_key_is_no_null(empty: object) -> None:
    tree = {"k" * emit.WIDTH: empty, "list": [{"k" * emit.WIDTH: empty}]}
    assert yaml.safe_load(emit.document(tree, "header")) == tree


def test_numbers_and_truth_are_told_apart() -> None:
    """Python takes 1.0 for True."""
    tree = {"a": True, "b": 1.0, "c": 1, "d": False, "e": 0.0, "f": 0}
    assert emit.document(tree, "") == "a: true\nb: 1.0\nc: 1\nd: false\ne: 0.0\nf: 0\n"


def test_style() -> None:
    tree = {
        "version": "2021-04-16",
        "parameters": emit.Block(
            {"A": emit.Flow({"type": "string", "hidden": True})}, "Told.\n\nTwo."
        ),
        "count": {"get_param": "A"},
        "list": [{"name": "a", "of": ["x", "y"]}, ["z"]],
    }
    assert emit.document(tree, "By hand.\n\nReally.") == (
        "# By hand.\n#\n# Really.\n"
        'version: "2021-04-16"\n'
        "\n# Told.\n#\n# Two.\nparameters:\n"
        "  A: {type: string, hidden: true}\n"
        "count: {get_param: A}\n"
        "list:\n  - name: a\n    of: [x, y]\n  - [z]\n"
    )
