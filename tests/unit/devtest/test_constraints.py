# SPDX-License-Identifier: Apache-2.0
"""Values of parameters are checked as Heat checks them."""

from pathlib import Path
from typing import Any

import pytest

from altostratus.datafiles import examples_path
from altostratus.errors import InputError
from altostratus.yamlfile.problems import InvalidInputError
from devtest.cloud import constraints, heatenv
from devtest.workspace import Workspace
from generator import generate

COUNT = {"type": "number", "constraints": [{"range": {"min": 1, "max": 3}}]}
NAME = {"type": "string", "constraints": [{"length": {"min": 2, "max": 4}}]}
LIST = {"type": "comma_delimited_list", "constraints": [{"length": {"max": 1}}]}


@pytest.mark.parametrize(
    ("declaration", "value", "problem"),
    [
        (COUNT, 1, ""),
        (COUNT, "3", ""),
        (COUNT, 0, "0 is less than 1"),
        (COUNT, "4", "'4' is more than 3"),
        (COUNT, "x", "'x' is not a number"),
        (COUNT, True, "True is not a number"),
        (COUNT, None, "None is not a number"),
        (COUNT, [1], "is not a number"),
        (NAME, "abc", ""),
        (NAME, 123, ""),
        (NAME, "a", "has the length 1, which is less than 2"),
        (NAME, "abcde", "has the length 5, which is more than 4"),
        (NAME, {"a": 1}, "is not text"),
        (LIST, ["a"], ""),
        (LIST, ["a", "b"], "has the length 2"),
        (LIST, {"a": 1}, "is not a list"),
        ({"type": "string", "constraints": [{"allowed_values": ["a", "b"]}]}, "a", ""),
        (
            {"type": "string", "constraints": [{"allowed_values": ["a", "b"]}]},
            "c",
            "not one of a, b",
        ),
        ({"type": "number", "constraints": [{"allowed_values": [1, 2]}]}, "2", ""),
        ({"type": "string", "constraints": [{"allowed_pattern": "[a-z]+"}]}, "ab", ""),
        (
            {"type": "string", "constraints": [{"allowed_pattern": "[a-z]+"}]},
            "ab1",
            "does not match",
        ),
        ({"type": "number", "constraints": [{"modulo": {"step": 2, "offset": 1}}]}, 5, ""),
        (
            {"type": "number", "constraints": [{"modulo": {"step": 2, "offset": 1}}]},
            4,
            "multiple of 2",
        ),
        ({"type": "boolean"}, "yes", ""),
        ({"type": "boolean"}, False, ""),
        ({"type": "boolean"}, "maybe", "is not true or false"),
        ({"type": "json"}, {"a": 1}, ""),
        ({"type": "json"}, '{"a": 1}', ""),
        ({"type": "json"}, "{a", "is not a mapping or list"),
        # Only Nova can tell.
        ({"type": "string", "constraints": [{"custom_constraint": "nova.flavor"}]}, "large", ""),
    ],
)
def test_values_and_declarations(declaration: dict[str, Any], value: Any, problem: str) -> None:
    found = [text for text, hint in constraints.problems(value, declaration) if hint]
    assert problem in "".join(found)
    assert bool(found) is bool(problem)


def test_the_value_of_a_hidden_parameter_is_not_shown() -> None:
    ((text, _),) = constraints.problems("s3cret", {"type": "number", "hidden": True})
    assert "s3cret" not in text


def test_the_templates_description_of_a_constraint_is_the_hint() -> None:
    rule = {"allowed_values": ["a"], "description": "choose a"}
    ((_, hint),) = constraints.problems("b", {"type": "string", "constraints": [rule]})
    assert hint == "choose a"


def test_every_bad_value_of_a_file_is_reported_with_its_place_before_anything_is_built(
    workspace: Workspace, tmp_path: Path
) -> None:
    generate.generate(examples_path() / "overcloud.yaml", workspace.stacks("overcloud"))
    file = tmp_path / "mine.json"
    file.write_text(
        '{"parameters": {\n  "KeystoneCount": 0,\n  "GlanceCount": "many",\n  "Nonsense": 1}}\n'
    )
    with pytest.raises(InvalidInputError) as caught:
        heatenv.adopt(workspace, "overcloud", file)
    shown = str(caught.value)
    assert f"{file}:2:20: KeystoneCount: 0 is less than 1" in shown
    assert f"{file}:3:18: GlanceCount: 'many' is not a number" in shown
    assert f"{file}:4:15: no parameter Nonsense" in shown
    assert not (workspace.stacks("overcloud") / "user-env.json").exists()
    with pytest.raises(InputError):
        heatenv.adopt(workspace, "overcloud", file)
