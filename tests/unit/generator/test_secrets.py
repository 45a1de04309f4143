# SPDX-License-Identifier: Apache-2.0
"""Secrets: what they must be like, where they go, and that none is lost."""

import base64
import json
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from heatclient.common import utils  # type: ignore[import-untyped]
from oslo_serialization import jsonutils

from altostratus.datafiles import examples_path
from generator import generate
from generator.contracts import secretkinds

OVERCLOUD = examples_path() / "overcloud-lxc.yaml"
UNDERCLOUD = examples_path() / "undercloud.yaml"
# Special in URLs, configuration files, shells, SQL, JSON or YAML.
NASTY = """p@s/s#w%o$r:d ;"'\\x"""
FERNET = base64.urlsafe_b64encode(bytes(range(32))).decode()


def run(*arguments: object) -> int:
    return generate.main([str(argument) for argument in arguments])


def secrets_of(out: Path) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((out / "secrets.yaml").read_text())["parameter_defaults"]
    return found


def change(out: Path, **secrets: Any) -> None:
    content = {"parameter_defaults": {**secrets_of(out), **secrets}}
    (out / "secrets.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("kind", secretkinds.KINDS)
def test_what_is_made_is_right(kind: str) -> None:
    made = secretkinds.KINDS[kind].make()
    assert not secretkinds.wrong(kind, made)
    assert made != secretkinds.KINDS[kind].make()


@pytest.mark.parametrize(
    ("kind", "value", "wrong"),
    [
        ("password", "", "empty"),
        ("password", "a\nb", "a line break"),
        ("password", "secret\n", "a line break"),
        ("password", "a\tb", "a control character"),
        ("password", "\x1b[31m", "a control character"),
        ("password", "pässword", "outside ASCII"),
        ("password", " a", "a space"),
        ("password", "a ", "a space"),
        ("password", "x" * 73, "longer than 72"),
        ("password", 5, "not a string"),
        ("key", "x" * 31, "31 characters"),
        ("key", "x" * 33, "33 characters"),
        ("fernet", "x", "not base64"),
        ("fernet", FERNET[:-1], "not base64"),
        ("fernet", base64.urlsafe_b64encode(bytes(31)).decode(), "31 bytes"),
        ("fernet", base64.urlsafe_b64encode(bytes(33)).decode(), "33 bytes"),
        ("fernet", base64.b64encode(b"\xff" * 32).decode(), "URL-safe"),
        ("fernet", FERNET[:20] + "\n" + FERNET[20:], "a line break"),
        ("fernet", FERNET[:20] + "!" + FERNET[21:], "not base64"),
        ("fernet", FERNET[:-2] + "B=", "URL-safe"),
    ],
)
def test_what_is_wrong_with_a_secret(kind: str, value: object, wrong: str) -> None:
    assert wrong in secretkinds.wrong(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("password", NASTY), ("password", "x" * 72), ("key", "x" * 32), ("fernet", FERNET)],
)
def test_what_a_secret_may_be(kind: str, value: str) -> None:
    assert not secretkinds.wrong(kind, value)


def test_all_problems_of_secrets_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(UNDERCLOUD, "-o", tmp_path)
    change(
        tmp_path,
        KeystoneFernetKey0="bad-fernet-key",
        HeatAuthEncryptionKey="tooshort",
        GlanceDbPassword="two\nlines",
        RabbitPassword=" blank",
        OfNoService="\x00",
    )
    capsys.readouterr()
    assert run(UNDERCLOUD, "-o", tmp_path) == 2
    error = capsys.readouterr().err
    lines = (tmp_path / "secrets.yaml").read_text().splitlines()
    row = next(i for i, line in enumerate(lines, 1) if "KeystoneFernetKey0" in line)
    assert f"secrets.yaml:{row}:23: KeystoneFernetKey0: it has" in error or (
        f"secrets.yaml:{row}:23: KeystoneFernetKey0: it is not base64" in error
    )
    names = ["HeatAuthEncryptionKey", "GlanceDbPassword", "RabbitPassword", "OfNoService"]
    assert all(f"{name}: it " in error for name in names)
    for value in ("bad-fernet-key", "tooshort", "two", "blank"):
        assert value not in error


def test_a_nasty_secret_reaches_the_metadata_as_it_is(tmp_path: Path) -> None:
    run(UNDERCLOUD, "-o", tmp_path)
    change(tmp_path, GlanceDbPassword=NASTY, RabbitPassword=NASTY)
    assert run(UNDERCLOUD, "-o", tmp_path) == 0
    metadata = json.loads((tmp_path / "metadata/undercloud.json").read_text())
    assert metadata["rabbit"]["password"] == NASTY
    accounts = {one["name"]: one["password"] for one in metadata["mariadb"]["databases"]}
    assert accounts["glance"] == NASTY


def test_the_client_reads_the_parameters_from_files(tmp_path: Path) -> None:
    """What ``openstack stack create $(cat OUT/heat-parameters/options)`` sends."""
    run(OVERCLOUD, "-o", tmp_path)
    options = (tmp_path / "heat-parameters/options").read_text().split()
    assert set(options[::2]) == {"--parameter-file"}
    template = str(tmp_path / "overcloud.yaml")
    read = utils.format_parameter_file(options[1::2], template)
    # As heatclient.common.http does.
    sent = jsonutils.loads(jsonutils.dumps(read))
    assert sent == secrets_of(tmp_path)
    hidden = yaml.safe_load(Path(template).read_text())["parameters"]
    assert sent.keys() == {name for name, one in hidden.items() if one.get("hidden")}
    for path in (tmp_path / "heat-parameters").iterdir():
        if path.name != "options":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    header = (tmp_path / "overcloud.yaml").read_text().partition("\nheat_template")[0]
    assert "secrets.yaml" not in header and "$(cat heat-parameters/options)" in header


def test_parameter_files_go_with_their_service(tmp_path: Path) -> None:
    cloud = tmp_path / "cloud.yaml"
    text = OVERCLOUD.read_text()
    cloud.write_text(text)
    run(cloud, "-o", tmp_path / "out")
    cloud.write_text(text[: text.index("  glance:")])
    run(cloud, "-o", tmp_path / "out")
    assert not (tmp_path / "out/heat-parameters/GlanceDbPassword").exists()
    assert "GlanceDbPassword" in secrets_of(tmp_path / "out")


def in_config(tmp_path: Path, config: str) -> Path:
    cloud = tmp_path / "cloud.yaml"
    text = OVERCLOUD.read_text()
    assert "\nroles:" in text
    cloud.write_text(text.replace("\nroles:", f"\nconfig: {config}\nroles:", 1))
    return cloud


def test_a_secret_in_the_cloud_file_becomes_a_secret(tmp_path: Path) -> None:
    cloud = in_config(tmp_path, "{keystone: {admin-password: MyOwnSecr3t}}")
    assert run(cloud, "-o", tmp_path / "out") == 0
    assert secrets_of(tmp_path / "out")["KeystoneAdminPassword"] == "MyOwnSecr3t"
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and "MyOwnSecr3t" in path.read_text():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert "MyOwnSecr3t" not in (tmp_path / "out/overcloud.yaml").read_text()
    cloud.write_text(cloud.read_text().replace("MyOwnSecr3t", "An0therSecret"))
    assert run(cloud, "-o", tmp_path / "out") == 0
    assert secrets_of(tmp_path / "out")["KeystoneAdminPassword"] == "An0therSecret"
    assert run(cloud, "-o", tmp_path / "out", "--check") == 0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            "{keystone: {admin-password: Secr3tSecr3t7Secr3tSecr3t7Secr3tSecr3t7" + "x" * 60 + "}}",
            "",
        ),
        ('{keystone: {admin-password: "Secr3t\\n"}}', "a line break"),
        ("{keystone: {admin-password: 5720240117}}", "keystone.admin-password: the value (not"),
        ("{keystone: {fernet-keys: [Secr3t]}}", "OUT/secrets.yaml: KeystoneFernetKey0"),
        ("{glance: {db: 'mysql://a:Secr3t@b/c'}}", "OUT/secrets.yaml: GlanceDbPassword\n"),
        (
            "{mariadb: {databases: [{name: a, user: a, password: Secr3t}]}}",
            "mariadb.databases: it holds secrets",
        ),
    ],
)
def test_a_secret_in_the_cloud_file_that_cannot_be(
    config: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(in_config(tmp_path, config), "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error and "cloud.yaml:" in error
    assert "Secr3t" not in error and "20240117" not in error
    assert not (tmp_path / "out").exists()


def test_lost_secrets_are_not_made_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(OVERCLOUD, "-o", tmp_path)
    before = secrets_of(tmp_path)
    (tmp_path / "secrets.yaml").unlink()
    for check in ((), ("--check",)):
        capsys.readouterr()
        assert run(OVERCLOUD, "-o", tmp_path, *check) == 2
        error = capsys.readouterr().err
        assert "secrets.yaml: it is gone" in error
        assert "--recover-secrets" in error and "--new-secrets" in error
        assert not (tmp_path / "secrets.yaml").exists()
    assert run(OVERCLOUD, "-o", tmp_path, "--new-secrets") == 0
    assert secrets_of(tmp_path).keys() == before.keys()
    assert not set(secrets_of(tmp_path).values()) & set(before.values())


def test_a_link_to_nothing_is_a_lost_file(tmp_path: Path) -> None:
    """The vault is not mounted."""
    vault = tmp_path / "vault"
    vault.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "secrets.yaml").symlink_to(vault / "secrets.yaml")
    assert run(OVERCLOUD, "-o", out) == 0
    assert (out / "secrets.yaml").is_symlink() and (vault / "secrets.yaml").is_file()
    (vault / "secrets.yaml").rename(tmp_path / "elsewhere")
    assert run(OVERCLOUD, "-o", out) == 2
    assert not (vault / "secrets.yaml").exists()


def test_a_secret_that_was_deleted_is_not_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(OVERCLOUD, "-o", tmp_path)
    rest = {name: value for name, value in secrets_of(tmp_path).items() if "Glance" not in name}
    (tmp_path / "secrets.yaml").write_text(yaml.safe_dump({"parameter_defaults": rest}))
    capsys.readouterr()
    assert run(OVERCLOUD, "-o", tmp_path) == 2
    assert "it lacks GlanceDbPassword, GlanceServicePassword" in capsys.readouterr().err


def test_secrets_of_a_new_service_are_made(tmp_path: Path) -> None:
    cloud = tmp_path / "cloud.yaml"
    text = OVERCLOUD.read_text()
    cloud.write_text(text[: text.index("  glance:")])
    assert run(cloud, "-o", tmp_path / "out") == 0
    cloud.write_text(text)
    assert run(cloud, "-o", tmp_path / "out") == 0
    assert "GlanceDbPassword" in secrets_of(tmp_path / "out")


def test_secrets_come_back_from_metadata(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(UNDERCLOUD, "-o", out)
    secrets = (out / "secrets.yaml").read_text()
    metadata = tmp_path / "metadata.json"
    (out / "metadata/undercloud.json").rename(metadata)
    (out / "secrets.yaml").unlink()
    assert run(UNDERCLOUD, "-o", out, "--recover-secrets", metadata) == 0
    assert (out / "secrets.yaml").read_text() == secrets


def test_secrets_come_back_from_the_parameters_of_devtest(tmp_path: Path) -> None:
    run(OVERCLOUD, "-o", tmp_path)
    secrets = secrets_of(tmp_path)
    (tmp_path / "heat-env.json").write_text(json.dumps({"parameters": {**secrets, "KeyName": "k"}}))
    (tmp_path / "secrets.yaml").unlink()
    assert run(OVERCLOUD, "-o", tmp_path, "--recover-secrets", tmp_path / "heat-env.json") == 0
    assert secrets_of(tmp_path) == secrets


def test_what_recovers_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(UNDERCLOUD, "-o", tmp_path)
    (tmp_path / "secrets.yaml").unlink()
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert run(UNDERCLOUD, "-o", tmp_path, "--recover-secrets", other) == 2
    assert "it has no secret of this cloud" in capsys.readouterr().err
    first = json.loads((tmp_path / "metadata/undercloud.json").read_text())
    first["rabbit"]["password"] = "another"
    other.write_text(json.dumps(first))
    both = [tmp_path / "metadata/undercloud.json", other]
    options = [word for path in both for word in ("--recover-secrets", path)]
    assert run(UNDERCLOUD, "-o", tmp_path, *options) == 2
    error = capsys.readouterr().err
    assert "RabbitPassword is another one than in" in error
    # One file has too little: the secrets of other instances stay lost.
    other.write_text(json.dumps({"rabbit": first["rabbit"]}))
    assert run(UNDERCLOUD, "-o", tmp_path, "--recover-secrets", other) == 2
    assert "KeystoneAdminPassword" in capsys.readouterr().err
    assert not (tmp_path / "secrets.yaml").exists()


def heat_value(value: Any, given: dict[str, str]) -> Any:
    """Resolve get_param and str_replace as Heat does (heat.engine.hot.functions)."""
    if not isinstance(value, dict):
        return value
    (name, argument), *more = value.items()
    if not more and name == "get_param":
        return given[argument]
    if not more and name == "str_replace":
        params = {key: heat_value(one, given) for key, one in argument["params"].items()}
        ordered = sorted(sorted(params), key=len, reverse=True)
        return replaced(heat_value(argument["template"], given), ordered, params)
    if not more and name == "get_attr":
        return "10.0.0.1"
    return value


def replaced(text: str, keys: list[str], values: dict[str, str]) -> str:
    if not keys:
        return text
    pieces = [replaced(piece, keys[1:], values) for piece in text.split(keys[0])]
    return values[keys[0]].join(pieces)


@pytest.mark.parametrize("secret", [NASTY, "%40", "p@evil/x", "#$%^&*()", "a b"])
def test_no_secret_changes_the_host_of_a_database(secret: str, tmp_path: Path) -> None:
    for cloud, name in ((UNDERCLOUD, "undercloud"), (OVERCLOUD, "keystone")):
        out = tmp_path / name
        run(cloud, "-o", out)
        passwords = [one for one in secrets_of(out) if one.endswith("DbPassword")]
        change(out, **dict.fromkeys(passwords, secret))
        assert run(cloud, "-o", out) == 0
        template = yaml.safe_load((out / f"{cloud_name(cloud)}.yaml").read_text())
        resources = template["resources"].values()
        configs = [one["properties"].get("config", {}) for one in resources]
        trees = [json.loads(path.read_text()) for path in out.glob("metadata/*.json")]
        found = [
            heat_value(leaf, secrets_of(out))
            for tree in [*configs, *trees]
            for namespace in tree.values()
            for key, leaf in namespace.items()
            if key in ("db", "api_db")
        ]
        assert found
        for url in map(urlsplit, found):
            assert url.hostname in ("10.0.0.1", "192.168.24.1")
            assert (unquote(url.password or ""), url.query, url.fragment) == (secret, "", "")
            assert url.path.lstrip("/").isidentifier()


def cloud_name(path: Path) -> str:
    return str(yaml.safe_load(path.read_text())["name"])
