# SPDX-License-Identifier: Apache-2.0
"""Which metadata keys templates and scripts use, and where."""

from pathlib import Path

import pytest

from generator.elements import usage
from generator.elements.usage import Use


def uses(text: str, keys: dict[str, bool]) -> list[tuple[int, int, str]]:
    found = usage.of_template(text, "f", keys)
    return [(one.mark.line, one.mark.column, one.key) for one in found if isinstance(one, Use)]


def test_sections_are_understood() -> None:
    text = (
        "{{! comment }}{{a.word}}\n{{#a.list}}{{name}} {{{.}}} {{a.word}}{{/a.list}}\n"
        "{{#a.word}}x={{a.typo}}{{/a.word}}{{^a.list}}{{&other}}{{/a.list}}"
    )
    assert uses(text, {"a.list": True, "a.word": False}) == [
        (1, 15, "a.word"),
        (2, 1, "a.list"),
        (2, 29, "a.word"),
        (3, 1, "a.word"),
        (3, 14, "a.typo"),
        (3, 35, "a.list"),
        (3, 46, "other"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n {{#a.b}}", "f:2:2: {{#a.b}} is not closed"),
        ("{{/a.b}}", "f:1:1: {{/a.b}} closes nothing"),
        ("{{#a.b}}{{/a.c}}{{/a.b}}", "f:1:9: {{/a.c}} closes nothing"),
    ],
)
def test_wrong_sections(text: str, message: str) -> None:
    (problem,) = (one for one in usage.of_template(text, "f", {}) if not isinstance(one, Use))
    assert str(problem).startswith(message)


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ('host=$(metadata keystone.host "")', [(17, "keystone.host")]),
        ('metadata_json "mariadb.databases" | jq', [(16, "mariadb.databases")]),
        ("os-apply-config --type raw --key nova-lxc.state_path", [(34, "nova-lxc.state_path")]),
        ('echo "the metadata service"; other-metadata x.y', []),
        ("# metadata a.b", []),
    ],
)
def test_script_keys(line: str, keys: list[tuple[int, str]], tmp_path: Path) -> None:
    script = tmp_path / "10-x"
    script.write_text(f"\n{line}\n")
    found = list(usage.of_script(script))
    assert [(one.mark.column, one.key) for one in found] == keys
    assert {one.mark.line for one in found} <= {2}
