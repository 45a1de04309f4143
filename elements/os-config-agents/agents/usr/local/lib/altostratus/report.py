#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Report how a refresh went, in refresh.json on this instance and to Heat.

    report.py state STATE     starting, waiting or applying
    report.py completed       all scripts succeeded
    report.py failed          a script failed; its name and last lines are in refresh.log

Heat gets one signal for each deployment in the metadata, the first result, because it ignores
signals for a deployment that is no longer in progress. A signal that could not be delivered is sent
again at the next refresh, which os-collect-config repeats until it succeeds. Deployments are
identified by their id, which Heat renews when it updates them.

Values of the metadata that look secret are replaced in the output of scripts before it is reported.
"""

import hashlib
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

STATE = Path(os.environ.get("REFRESH_STATE", "/var/lib/altostratus"))
METADATA = Path(os.environ.get("REFRESH_METADATA", "/run/altostratus/metadata.json"))
COLLECTED = Path("/var/lib/os-collect-config/os_config_files.json")

# os-collect-config merges the config of these groups only; others belong to other agents.
GROUPS = ("os-apply-config", "Heat::Ungrouped")
# Heat keeps deploy_stderr in its database; the end of the log has the cause.
LOG_LINES = 30
SCRIPTS = "/usr/libexec/os-refresh-config/"
# What os-refresh-config logs when a script has failed, in this order.
PHASE_FAILED = "(os-refresh-config) [ERROR] during"
HANDLERS_CALLED = "Calling error handlers."
ATTEMPTS = 5
SECRET_KEY = re.compile(r"(^|[^a-z])(password|secret|token|keys?|db|connection|credentials?)$")


def read_json(path: Path, default: Any) -> Any:
    """Return the JSON in the file ``path``, ``default`` if there is no such file."""
    if not path.exists():
        return default
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, document: object, mode: int) -> None:
    """Replace the file ``path`` by ``document`` as JSON, atomically."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT, mode), "w", encoding="utf-8") as out:
        os.fchmod(out.fileno(), mode)
        json.dump(document, out, indent=1)
        out.write("\n")
    new.rename(path)


def write_state(state: str, **details: object) -> None:
    """Write refresh.json, which is world-readable."""
    document = {"state": state, "time": datetime.now(UTC).isoformat(timespec="seconds"), **details}
    write_json(STATE / "refresh.json", document, 0o644)


def deployments() -> list[dict[str, Any]]:
    """Return the deployments in the collected metadata, as Heat describes them."""
    files = os.environ.get("OS_CONFIG_FILES", "").split(":")
    found: dict[str, dict[str, Any]] = {}
    for name in files if files != [""] else read_json(COLLECTED, []):
        document = read_json(Path(name), {})
        listed = document.get("deployments") if isinstance(document, dict) else None
        for deployment in listed or []:
            if deployment.get("group", "Heat::Ungrouped") in GROUPS:
                found[deployment["id"]] = deployment
    return list(found.values())


def secrets(value: object, key: str = "") -> Iterator[str]:
    """Yield the strings of a metadata tree that must not be shown.

    These are all values below a key that SECRET_KEY matches, and the passwords inside URLs, which
    may be printed on their own.
    """
    if isinstance(value, dict):
        for name, item in value.items():
            yield from secrets(item, key if SECRET_KEY.search(key) else name)
    elif isinstance(value, list):
        for item in value:
            yield from secrets(item, key)
    elif isinstance(value, str):
        if SECRET_KEY.search(key):
            # In a configuration file it may be part of a URL.
            yield from (value, quote(value, safe=""))
        for url in re.findall(r"\w+://\S+", value):
            password = urlsplit(url).password
            if password:
                yield from (password, unquote(password))


def redact(lines: list[str]) -> list[str]:
    """Return ``lines`` with every secret of the metadata replaced."""
    # Short values (such as a port below a key with such a name) occur inside unrelated words.
    found = {text for text in secrets(read_json(METADATA, {})) if len(text) >= 6}
    for secret in sorted(found, key=len, reverse=True):
        lines = [line.replace(secret, "***") for line in lines]
    return lines


def failure() -> tuple[str, list[str]]:
    """Return the script that failed and its last lines, from refresh.log.

    dib-run-parts logs "Running SCRIPT" before each script, and os-refresh-config logs that it calls
    the error handlers when one has failed. Without such a line os-apply-config itself failed, or
    os-refresh-config ended before it called them.
    """
    script, start = "os-apply-config", 0
    lines = log_before_handlers()
    for index, line in enumerate(lines):
        match = re.match(r"dib-run-parts .* Running (\S+)$", line)
        if match:
            script, start = match[1].removeprefix(SCRIPTS), index + 1
    said = [line for line in lines[start:] if line.strip() and PHASE_FAILED not in line]
    return script, redact(said[-LOG_LINES:])


def log_before_handlers() -> list[str]:
    """Return the lines of refresh.log before the call of the error handlers.

    tee writes the log and may write its last lines after this program has started.
    """
    log = STATE / "refresh.log"
    for _ in range(20):
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        before, handlers, _ = text.rpartition(HANDLERS_CALLED)
        if handlers:
            return before.splitlines()[:-1]
        time.sleep(0.1)
    return text.splitlines()


def send(deployment: Mapping[str, Any], payload: object) -> bool:
    """Send one signal to Heat; return whether it was delivered.

    The URL is signed by Heat for this deployment (CFN_SIGNAL: POST, TEMP_URL_SIGNAL: PUT).
    """
    inputs = {item["name"]: item.get("value") for item in deployment.get("inputs", [])}
    request = urllib.request.Request(  # noqa: S310 (the URL is Heat's)
        inputs["deploy_signal_id"],
        data=json.dumps(payload).encode(),
        headers={"Content-Type": "application/json"},
        method=inputs.get("deploy_signal_verb") or "POST",
    )
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=30):  # noqa: S310
                return True
        except (urllib.error.URLError, OSError) as error:
            # The URL is a credential: print only the reason.
            reason = getattr(error, "reason", error)
            print(f"signal for {deployment['name']}: {reason}", file=sys.stderr)
        if attempt + 1 < ATTEMPTS:
            time.sleep(2**attempt)
    return False


def signal(result: Mapping[str, object]) -> bool:
    """Record ``result`` for deployments that have none; send results that were not delivered.

    Returns whether all were delivered.
    """
    record = STATE / "deployments.json"
    outcomes = read_json(record, {})
    arrived = True
    for deployment in deployments():
        inputs = {item["name"]: item.get("value") for item in deployment.get("inputs", [])}
        if not inputs.get("deploy_signal_id"):
            continue
        outcome = outcomes.setdefault(deployment["id"], {"result": result, "delivered": False})
        write_json(record, outcomes, 0o600)
        if not outcome["delivered"]:
            outcome["delivered"] = send(deployment, outcome["result"])
            arrived = arrived and outcome["delivered"]
            write_json(record, outcomes, 0o600)
    return arrived


def applied() -> dict[str, object]:
    """Return the fields of refresh.json that identify the metadata of this run."""
    text = METADATA.read_bytes() if METADATA.exists() else b""
    return {
        "metadata": hashlib.sha256(text).hexdigest(),
        "deployments": [{"id": item["id"], "name": item["name"]} for item in deployments()],
    }


def completed() -> int:
    """Signal success; return the exit status: 1 if a signal was not delivered."""
    result = {"deploy_stdout": "applied", "deploy_stderr": "", "deploy_status_code": 0}
    if not signal(result):
        print("error: could not signal to Heat that the metadata is applied", file=sys.stderr)
        return 1
    write_state("applied", **applied())
    return 0


def failed() -> int:
    """Signal a failure, once for each refresh; return the exit status."""
    state = read_json(STATE / "refresh.json", {}).get("state")
    if state == "failed":
        return 0
    # Only apply-metadata keeps a log.
    script, lines = failure() if state == "applying" else ("os-refresh-config run by hand", [])
    write_state("failed", script=script, log=lines, **applied())
    text = "\n".join([f"{script} failed", *lines])
    signal({"deploy_stdout": "", "deploy_stderr": text, "deploy_status_code": 1})
    return 0


def main(argv: list[str]) -> int:
    """Run one of the commands in the module's docstring; return the exit status."""
    if argv[:1] == ["state"] and len(argv) == 2:
        write_state(argv[1])
        return 0
    return {"completed": completed, "failed": failed}[argv[0]]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
