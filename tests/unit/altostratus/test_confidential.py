# SPDX-License-Identifier: Apache-2.0
"""No message shows a secret, in any kind of file."""

import json
from pathlib import Path

import pytest

from altostratus.errors import InputError
from altostratus.yamlfile import document, schema
from altostratus.yamlfile.confidential import HIDDEN, is_secret
from altostratus.yamlfile.problems import InvalidInputError, Report
from devtest.cloud import heatenv
from generator.output import secretstore
from setupcloud import nodes

# Nothing else in these files contains it.
VALUE = 20240117


NAMES = (
    "password pm_password redfish-password AdminPassword keystone.admin-password passwd dbPasswd "
    "secret client_secret metadata_proxy_shared_secret token api-token authToken api_key "
    "private_key private-key-1 ssh_key HeatAuthEncryptionKey KeystoneFernetKey0 fernet-keys "
    "accessKey1 PASSWORD credentials passphrase OS_PASSWORD pw"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


OTHERS = "key keys KeyName monkey keyboard name pm_user host passive compass count tags"


@pytest.mark.parametrize("name", OTHERS.split())
def test_names_of_other_things(name: str) -> None:
    assert not is_secret(name)


def messages(text: str, form: schema.Schema) -> str:
    report = Report()
    schema.check(document.parse(text.encode(), "f", report), form, report)
    assert report.problems
    return "\n".join(map(str, report.problems))


@pytest.mark.parametrize(
    "form",
    [
        {"type": "string"},
        {"type": "integer", "maximum": 5},
        {"type": "integer", "minimum": VALUE + 1},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"name": {"type": "string"}}},
        {"enum": [1, 2]},
    ],
)
@pytest.mark.parametrize("value", [f"{VALUE}", f"[{VALUE}]", f"{{name: {VALUE}}}"])
def test_schema_problems(form: schema.Schema, value: str) -> None:
    for key in ("admin_password", "api_key"):
        whole = {"type": "object", "properties": {key: form}}
        report = Report()
        schema.check(document.parse(f"{key}: {value}".encode(), "f", report), whole, report)
        text = "\n".join(map(str, report.problems))
        assert str(VALUE) not in text.replace(str(VALUE + 1), "")
    other = {"type": "object", "properties": {"plain": {"type": "boolean"}}}
    assert messages(f"plain: {VALUE}", other).count(str(VALUE)) == 1


def test_a_pattern_that_does_not_match() -> None:
    form = {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[a-z]+$"}}
    assert "Secr3t" not in messages("user_token: Secr3t", form)
    assert f"user_token: {HIDDEN} is not of the form" in messages("user_token: Secr3t", form)


def test_the_schema_says_what_names_do_not() -> None:
    form = {"type": "object", "additionalProperties": {"type": "integer", "writeOnly": True}}
    assert "Secr3t" not in messages("x: Secr3t", form)
    form = {"type": "object", "additionalProperties": {"type": "integer", "writeOnly": False}}
    assert "abc" in messages("token_expiration: abc", form)


@pytest.mark.parametrize(
    "text",
    [
        "pm_password: !Secr3t",
        "pm_password: !Secr3t!x y",
        "pm_password: *Secr3t",
        'pm_password: "Secr3t',
        "pm_password: @Secr3t",
        "pm_password: %Secr3t",
        "pm_password: {Secr3t",
        "pm_password: Secr3t: x",
    ],
)
def test_yaml_errors(text: str) -> None:
    report = Report()
    try:
        document.parse(text.encode(), "f", report)
    except InvalidInputError as error:
        report.problems += error.problems
    assert report.problems
    assert "Secr3t" not in "\n".join(map(str, report.problems))


def test_nodes(tmp_path: Path) -> None:
    """The example of issue trackers: a password that is a number."""
    node = {"pm_type": "ipmi", "mac": ["52:54:00:00:00:01"], "pm_password": VALUE}
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps({"nodes": [node]}))
    with pytest.raises(InputError) as error:
        nodes.read(path)
    assert "pm_password" in str(error.value) and str(VALUE) not in str(error.value)


@pytest.mark.parametrize("name", ["env.json", "env.yaml"])
def test_heat_environment(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(json.dumps({"parameters": [VALUE], "admin_password": VALUE}))
    with pytest.raises(InputError) as error:
        heatenv.read(path)
    assert str(VALUE) not in str(error.value)


def test_secrets(tmp_path: Path) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text(f"parameter_defaults: {{KeystoneAdminPassword: {VALUE}, Other: ['{VALUE}']}}")
    with pytest.raises(InputError) as error:
        secretstore.load(path)
    assert str(error.value).count("not a string") == 2 and str(VALUE) not in str(error.value)
