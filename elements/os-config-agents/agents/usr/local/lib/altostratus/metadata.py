# SPDX-License-Identifier: Apache-2.0
"""Print one value of the instance's merged metadata.

    metadata.py [--json] FILE KEY [DEFAULT]

FILE is what os-apply-config merged from all collectors (/run/altostratus/metadata.json), KEY a
dotted path as in os-apply-config; a number selects a list item. Values are printed as
``os-apply-config --key`` prints them: mappings, lists and booleans as JSON, others as they are;
with --json everything as JSON. For a key that is absent or null, DEFAULT is printed; without
DEFAULT the exit status is 1.

Reading the merged file takes 20 ms where os-apply-config takes half a second, and the scripts of an
undercloud do it hundreds of times.
"""

import json
import sys
from pathlib import Path


def look_up(document: object, key: str) -> object:
    """Return the value at the dotted path ``key`` of ``document``, None if there is none."""
    value = document
    for part in key.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            return None
    return value


def main(argv: list[str]) -> int:
    """Print the value of the key; return the exit status."""
    as_json = argv[:1] == ["--json"]
    path, key, *default = argv[1:] if as_json else argv
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"error: cannot read the metadata: {error}", file=sys.stderr)
        return 1
    value = look_up(document, key)
    if value is None:
        if not default:
            print(f"error: metadata key {key} is missing", file=sys.stderr)
            return 1
        print(default[0])
    elif as_json or isinstance(value, (dict, list, bool)):
        print(json.dumps(value, ensure_ascii=False))
    else:
        print(value)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
