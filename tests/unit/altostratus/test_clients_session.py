# SPDX-License-Identifier: Apache-2.0
"""Which cloud is used, and what is said of a configuration that leads nowhere."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import loopback
import pytest
from loopback import Answer, Request

from altostratus.clients import glance, heat, proxies, sdk, session
from altostratus.clients.errors import ServiceError, translated
from altostratus.clients.nova import Nova
from altostratus.errors import AltostratusError, InputError


@pytest.fixture(autouse=True)
def _nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith("OS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))


def clouds(path: Path, **settings: Any) -> Path:
    path.write_text(json.dumps({"clouds": {"mine": {"region_name": "RegionOne", **settings}}}))
    return path


def test_no_cloud_is_named() -> None:
    with pytest.raises(InputError, match="^no credentials for OpenStack: ") as error:
        session.current()
    assert "set OS_CLOUD" in str(error.value.hint)


def test_an_unknown_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLOUD", "other")
    with pytest.raises(InputError, match="Cloud other was not found"):
        session.current()
    with pytest.raises(InputError, match="Cloud other was not found"):
        session.of_file(clouds(tmp_path / "c.yaml", auth_type="none"), "other")


@pytest.mark.parametrize("text", ["clouds: {mine: [", "clouds:\n\t- x\n"])
def test_a_file_that_is_not_yaml(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "clouds.yaml").write_text(text)
    with pytest.raises(InputError, match="^no credentials for OpenStack: "):
        session.current()
    # openstacksdk warns and goes on.
    assert f'in "{tmp_path}/clouds.yaml", line ' in caplog.text


@pytest.mark.parametrize("text", ["- x\n", "clouds: [x]\n", "clouds: {mine: text}\n"])
def test_a_file_of_another_form_is_no_internal_error(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clouds.yaml").write_text(text)
    monkeypatch.setenv("OS_CLOUD", "mine")
    with pytest.raises(AltostratusError):
        session.current()


def test_the_environment_does_not_change_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = {"endpoint": "http://127.0.0.1:1"}
    path = clouds(tmp_path / "other.yaml", auth_type="none", auth=auth)
    monkeypatch.setenv("OS_REGION_NAME", "elsewhere")
    monkeypatch.setenv("OS_ENDPOINT", "http://127.0.0.1:2")
    region = session.of_file(path, "mine")
    assert (region.region_name, region.get_endpoint("compute")) == (
        "RegionOne",
        "http://127.0.0.1:1",
    )


FULL = {
    "auth_url": "http://127.0.0.1:9/v3",
    "username": "u",
    "password": "secretive",
    "project_name": "x",
    "user_domain_name": "Default",
    "project_domain_name": "Default",
}
HTTPS = FULL | {"auth_url": "https://127.0.0.1:9/v3"}


def cloud_with(auth: Any = FULL, **settings: Any) -> str:
    return json.dumps({"clouds": {"mine": {"auth": auth, **settings}}})


def less(*keys: str) -> dict[str, str]:
    return {key: value for key, value in FULL.items() if key not in keys}


SHAPE = "it needs 'clouds:' and below it a mapping for each cloud"
# The content of clouds.yaml, and what is said of it.
FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", SHAPE),
    "list": ("- x\n", SHAPE),
    "string": ("hello\n", SHAPE),
    "number": ("5\n", SHAPE),
    "clouds: nothing": ("clouds:\n", SHAPE),
    "clouds: list": ("clouds: [x]\n", SHAPE),
    "clouds: string": ("clouds: x\n", SHAPE),
    "no clouds": ("foo: {}\n", SHAPE),
    "cloud: nothing": ("clouds: {mine: }\n", "the cloud mine is not a mapping"),
    "cloud: string": ("clouds: {mine: text}\n", "the cloud mine is not a mapping"),
    "cloud: list": ("clouds: {mine: [a]}\n", "the cloud mine is not a mapping"),
    "another cloud": ("clouds: {5: {}, other: {}}\n", "clouds.yaml has: 5, other"),
    "auth: string": (cloud_with("x"), "'auth' of the cloud mine is not a mapping"),
    "auth: list": (cloud_with(["x"]), "'auth' of the cloud mine is not a mapping"),
    "auth: nothing": (cloud_with(None), "'auth' of the cloud mine is not a mapping"),
    "latin-1": (b"clouds: {mine: {auth: {password: \xe4}}}\n", "cannot be read: 'utf-8' codec"),
    "binary": (bytes(range(256)), "cannot be read: "),
    "tab": ("clouds:\n\tmine: x\n", "clouds.yaml cannot be read: while scanning"),
    "tag": ("clouds: {mine: !foo x}\n", "could not determine a constructor for the tag"),
    "two documents": (cloud_with() + "\n---\nx\n", "expected a single document"),
    "no auth_url": (cloud_with(less("auth_url")), "were not given: auth_url"),
    "auth_url: number": (
        cloud_with(FULL | {"auth_url": 5}),
        "auth_url of the cloud mine: not a st",
    ),
    "auth_url: list": (cloud_with(FULL | {"auth_url": ["x"]}), "auth_url of the cloud mine: not a"),
    "no scheme": (cloud_with(FULL | {"auth_url": "127.0.0.1:9/v3"}), "is '127.0.0.1:9/v3', which"),
    "in the URL": (cloud_with(FULL | {"auth_url": "u:secretive@h:5/v3"}), "is '…@h:5/v3', which"),
    "no host": (cloud_with(FULL | {"auth_url": "http:///v3"}), "which is no URL"),
    "port": (cloud_with(FULL | {"auth_url": "http://127.0.0.1:99999"}), "which is no URL"),
    "IPv6": (cloud_with(FULL | {"auth_url": "http://[::1/v3"}), "which is no URL"),
    "label": (cloud_with(FULL | {"auth_url": "http://ü..x/v3"}), "which is no URL"),
    "long label": (cloud_with(FULL | {"auth_url": f"http://{'a' * 70}.x/v3"}), "which is no URL"),
    "blank": (cloud_with(FULL | {"auth_url": "http://127.0.0.1:9/v3 "}), "which is no URL"),
    "quotes": (cloud_with(FULL | {"auth_url": '"http://127.0.0.1:9"'}), "which is no URL"),
    "line feed": (cloud_with(FULL | {"auth_url": "http://h/v3\n"}), "auth_url has a control ch"),
    "escape": (cloud_with(FULL | {"username": "\x1b[31m"}), "username has a control character"),
    "no password": (cloud_with(less("password")), "the password is missing"),
    "empty password": (cloud_with(FULL | {"password": ""}), "the password is missing"),
    "password: nothing": (cloud_with(FULL | {"password": None}), "the password is missing"),
    "password: list": (cloud_with(FULL | {"password": ["a"]}), "password is not a string"),
    "no user": (cloud_with(less("username")), "the user is missing"),
    "no project": (cloud_with(less("project_name")), "the project is missing"),
    "auth_type": (cloud_with(auth_type="nope"), "The plugin nope could not be found"),
    "auth_type: list": (cloud_with(auth_type=["x"]), "auth_type of the cloud mine: not a string"),
    "profile: number": (cloud_with(profile=5), "profile of the cloud mine: not a string"),
    "unknown setting": (cloud_with(FULL | {"foo": "x"}), "'foo' does not go with this auth_type"),
    "application credential": (
        cloud_with(less("password") | {"application_credential_id": "x"}),
        "set auth_type to v3applicationcredential",
    ),
    "region": (cloud_with(regions=[{"x": 1}]), "Invalid region entry"),
    "timeout": (cloud_with(api_timeout="x"), "could not convert string to float"),
    "networks": (cloud_with(networks="x"), "the configuration of OpenStack cannot be used"),
    "cache": (cloud_with()[:-1] + ', "cache": "x"}', "configuration of OpenStack cannot be used"),
    "verify": (cloud_with(HTTPS, verify="maybe"), "verify is 'maybe', not true or false"),
    "cacert": (cloud_with(HTTPS, cacert="/no.pem"), "cacert: /no.pem: no such file"),
    "cacert: number": (cloud_with(HTTPS, cacert=5), "cacert: 5: no such file"),
    "no PEM": (cloud_with(HTTPS, cacert="clouds.yaml"), "no certificate in PEM format is in it"),
    "key": (cloud_with(HTTPS, cert="/no.pem", key="/no.key"), "key: /no.key: no such file"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_clouds_yaml_that_cannot_be_used(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, said = FILES[name]
    path = tmp_path / "clouds.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("OS_CLOUD", "mine")
    with pytest.raises(InputError) as caught:
        session.current()
    assert said in f"{caught.value.message}\n{caught.value.hint}"
    assert caught.value.hint
    assert "secretive" not in f"{caught.value.message}\n{caught.value.hint}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("clouds: {mine: [", "secure.yaml cannot be read: "),
        ("- x\n", SHAPE),
        ("clouds: {mine: x}\n", "the cloud mine is not a mapping"),
        ("clouds: {other: {auth: {password: x}}}\n", "the password is missing"),
    ],
)
def test_a_secure_yaml_that_cannot_be_used(
    content: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clouds.yaml").write_text(cloud_with(less("password")))
    (tmp_path / "secure.yaml").write_text(content)
    monkeypatch.setenv("OS_CLIENT_SECURE_FILE", str(tmp_path / "secure.yaml"))
    monkeypatch.setenv("OS_CLOUD", "mine")
    with pytest.raises(InputError) as caught:
        session.current()
    assert said in f"{caught.value.message}\n{caught.value.hint}"


def test_a_setting_that_only_a_connection_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clouds.yaml").write_text(cloud_with()[:-1] + ', "cache": {"class": "nope"}}')
    monkeypatch.setenv("OS_CLOUD", "mine")
    with pytest.raises(InputError, match="the configuration of OpenStack cannot be used: .*nope"):
        sdk.connect(session.current())


VARIABLES = {
    **{"OS_AUTH_URL": "http://127.0.0.1:9/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secretive"},
    **{"OS_PROJECT_NAME": "x", "OS_USER_DOMAIN_NAME": "x", "OS_PROJECT_DOMAIN_NAME": "x"},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"OS_TOKEN": "abc"}, "unset OS_TOKEN, or use it: OS_AUTH_TYPE=token"),
        ({"OS_PASSWORD": ""}, "the password is missing (password, or OS_PASSWORD)"),
        ({"OS_USERNAME": ""}, "the user is missing"),
        ({"OS_PROJECT_NAME": ""}, "the project is missing"),
        ({"OS_PASSWORD": "p\r"}, "OS_PASSWORD: control characters"),
        ({"OS_AUTH_URL": "http://h/v3\n"}, "OS_AUTH_URL: control characters"),
        ({"OS_REGION_NAME": "a\x1b[31m"}, "OS_REGION_NAME: control characters"),
        ({"OS_USERNAME": "u\udcff"}, "OS_USERNAME: control characters, or not UTF-8"),
        ({"OS_AUTH_URL": '"http://127.0.0.1:9/v3"'}, "which is no URL"),
        ({"OS_CLOUD": "no\x1b[31mne"}, "OS_CLOUD: control characters"),
        ({"OS_CLOUD": "none"}, "Cloud none was not found"),
    ],
)
def test_variables_that_cannot_be_used(
    change: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (VARIABLES | change).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        session.current()
    shown = f"{caught.value.message}\n{caught.value.hint}"
    assert said in shown
    assert "\x1b" not in shown and "secretive" not in shown


def test_a_token_that_no_header_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AUTH_TYPE": "admin_token", "ENDPOINT": "http://h", "TOKEN": "☃"}.items():
        monkeypatch.setenv(f"OS_{name}", value)
    with pytest.raises(InputError, match="token has a character that is not ASCII"):
        session.current()


def test_there_is_no_clouds_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openstack.config.loader.CONFIG_FILES", [])
    monkeypatch.setenv("OS_CLOUD", "mine")
    with pytest.raises(InputError, match="Cloud mine was not found") as caught:
        session.current()
    assert caught.value.hint == "there is no clouds.yaml; OS_CLIENT_CONFIG_FILE can name it"


@pytest.mark.parametrize(
    ("url", "own"),
    [
        *[(f"http://{host}:5000/v3", True) for host in ("127.0.0.1", "192.168.24.1", "10.1.2.3")],
        *[(f"http://{host}/v3", True) for host in ("172.16.0.1", "[::1]", "[fd00::1]", "cloud")],
        *[(f"https://{host}/v3", True) for host in ("169.254.1.1", "localhost", "a.localhost")],
        *[(f"https://{host}/v3", False) for host in ("8.8.8.8", "cloud.example.com", "172.32.0.1")],
    ],
)
def test_addresses_that_no_proxy_leads_to(url: str, own: bool) -> None:
    assert proxies.is_own(url) is own


def test_a_proxy_does_not_catch_the_addresses_of_the_cloud(
    cloud: "Cloud", monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def proxy(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(502, b"no such host", "text/plain")

    with loopback.serving(proxy) as url:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, url)
        with pytest.raises(ServiceError, match="^Nova answers: No server is available"):
            Nova(session.current()).flavors()
        assert asked == []
        # Any other host is asked through it.
        found = (
            session.current()
            .get_session()
            .get("http://cloud.example.com/x", authenticated=False, raise_exc=False)
        )
        assert found.status_code == 502 and len(asked) == 1


def test_a_proxy_that_is_not_there_is_named(
    cloud: "Cloud", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with (
        pytest.raises(ServiceError, match="^Nova is unreachable") as caught,
        translated("Nova"),
    ):
        session.current().get_session().get("http://cloud.example.com/x", authenticated=False)
    assert "no_proxy" in str(caught.value.hint)


TOKEN = {
    "methods": ["password"],
    "expires_at": "2100-01-01T00:00:00.000000Z",
    "issued_at": "2026-01-01T00:00:00.000000Z",
    "project": {"id": "p", "name": "admin", "domain": {"id": "d", "name": "Default"}},
    "user": {"id": "u", "name": "admin", "domain": {"id": "d", "name": "Default"}},
    "roles": [{"id": "r", "name": "admin"}],
}


class Cloud:
    """Keystone with a service catalog, and a Nova that is not in the state to answer."""

    def __init__(self) -> None:
        self.catalog: list[dict[str, Any]] = []
        self.password = "right"
        self.agents: set[str] = set()
        self.paths: list[str] = []
        self.url = ""

    def add(self, kind: str, url: str) -> None:
        endpoint = {"id": "e", "interface": "public", "region": "RegionOne", "url": url}
        endpoint["region_id"] = "RegionOne"
        self.catalog.append({"type": kind, "name": kind, "id": kind, "endpoints": [endpoint]})

    def answer(self, request: Request) -> Answer:
        self.paths.append(request.path)
        self.agents.add(request.headers["User-Agent"].split()[0])
        if request.path == "/v3/auth/tokens":
            given = request.body["auth"]["identity"]["password"]["user"]["password"]
            if given != self.password:
                message = "The request you have made requires authentication."
                return Answer(401, {"error": {"code": 401, "message": message, "title": "No"}})
            token = {"token": TOKEN | {"catalog": self.catalog}}
            return Answer(201, token, headers={"X-Subject-Token": "secret"})
        if request.path.strip("/") == "compute":
            links = [{"rel": "self", "href": f"{self.url}/compute/v2.1/"}]
            known = {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1"}
            return Answer(300, {"versions": [{**known, "links": links}]})
        if request.path.startswith("/compute/v2.1/"):
            return Answer(503, b"<html><body>No server is available.</body></html>", "text/html")
        return Answer(404)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    made = Cloud()
    with loopback.serving(made.answer) as url:
        made.url = url
        made.add("compute", f"{url}/compute/v2.1")
        monkeypatch.setenv("OS_CLOUD", "mine")
        auth = {"auth_url": f"{url}/v3", "username": "admin", "password": "right"}
        auth |= {"project_name": "admin", "user_domain_name": "Default"}
        auth |= {"project_domain_name": "Default"}
        clouds(tmp_path / "clouds.yaml", auth=auth)
        yield made


def test_endpoints_come_from_the_catalog(cloud: Cloud) -> None:
    with pytest.raises(ServiceError) as error:
        Nova(session.current("setup-flavors")).flavors()
    assert error.value.message == "Nova answers: No server is available. (HTTP 503)"
    assert "setup-flavors" in cloud.agents


def test_a_service_that_is_not_in_the_catalog(cloud: Cloud) -> None:
    missing = "^the cloud does not have {}: "
    for _ in ("others are", "it is empty"):
        region = session.current()
        with (
            pytest.raises(ServiceError, match=missing.format("Neutron")),
            sdk.connected("setup-neutron", "Neutron") as connection,
        ):
            list(connection.network.networks())
        with pytest.raises(ServiceError, match=missing.format("Heat")):
            heat.stacks(heat.client(region))
        with pytest.raises(ServiceError, match=missing.format("Glance")):
            glance.Glance(region).find("x")
        cloud.catalog.clear()
    with pytest.raises(ServiceError, match=missing.format("Nova")):
        Nova(region).flavors()


def test_a_wrong_password_is_refused_with_the_reason(cloud: Cloud) -> None:
    cloud.password = "another"
    reason = "^OpenStack refuses the credentials: The request you have made requires auth"
    with pytest.raises(ServiceError, match=reason) as error:
        Nova(session.current()).flavors()
    assert error.value.status == 401
    region = session.current()
    with pytest.raises(ServiceError, match=reason), translated("Neutron"):
        list(sdk.connect(region).network.networks())


def test_a_catalog_without_the_version_of_nova(cloud: Cloud) -> None:
    (compute,) = cloud.catalog
    compute["endpoints"][0]["url"] = compute["endpoints"][0]["url"].removesuffix("/v2.1")
    with pytest.raises(ServiceError, match="^Nova answers: No server is available"):
        Nova(session.current()).flavors()
    assert cloud.paths[-1] == "/compute/v2.1/flavors/detail"
