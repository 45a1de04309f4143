# SPDX-License-Identifier: Apache-2.0
import json

import jsonschema
import yaml

from altostratus.datafiles import examples_path
from tools import reference


def test_generated_documents_are_fresh() -> None:
    stale = [
        path.name
        for path, text in reference.documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, "run: python -m tools.reference"


def test_the_published_schema_is_one_and_takes_the_examples() -> None:
    schema = json.loads((reference.SCHEMAS / "cloud.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in examples_path().glob("*.yaml"):
        text = path.read_text()
        jsonschema.validate(yaml.safe_load(text), schema)
        assert "# yaml-language-server: $schema=../schemas/cloud.json" in text


def test_the_cloud_file_in_the_docs_is_valid() -> None:
    text = (reference.DOCS / "cloud-file.md").read_text()
    schema = json.loads((reference.SCHEMAS / "cloud.json").read_text())
    first = text.split("```yaml\n")[1].split("```")[0]
    jsonschema.validate(yaml.safe_load(first), schema)
