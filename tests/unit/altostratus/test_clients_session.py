# SPDX-License-Identifier: Apache-2.0
"""Which cloud is used, and what is said of a configuration that leads nowhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import loopback
import pytest
from loopback import Answer, Request

from altostratus.clients import glance, heat, sdk, session
from altostratus.clients.errors import ServiceError, translated
from altostratus.clients.nova import Nova
from altostratus.errors import AltostratusError, InputError


@pytest.fixture(autouse=True)
def _nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    for name in ("OS_CLOUD", "OS_AUTH_TYPE", "OS_ENDPOINT", "OS_AUTH_URL"):
        monkeypatch.delenv(name, raising=False)


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

    def add(self, kind: str, url: str) -> None:
        endpoint = {"id": "e", "interface": "public", "region": "RegionOne", "url": url}
        endpoint["region_id"] = "RegionOne"
        self.catalog.append({"type": kind, "name": kind, "id": kind, "endpoints": [endpoint]})

    def answer(self, request: Request) -> Answer:
        self.agents.add(request.headers["User-Agent"].split()[0])
        if request.path == "/v3/auth/tokens":
            given = request.body["auth"]["identity"]["password"]["user"]["password"]
            if given != self.password:
                message = "The request you have made requires authentication."
                return Answer(401, {"error": {"code": 401, "message": message, "title": "No"}})
            token = {"token": TOKEN | {"catalog": self.catalog}}
            return Answer(201, token, headers={"X-Subject-Token": "secret"})
        if request.path.startswith("/compute/v2.1/"):
            return Answer(503, b"<html><body>No server is available.</body></html>", "text/html")
        return Answer(404)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    made = Cloud()
    with loopback.serving(made.answer) as url:
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
