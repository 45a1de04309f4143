# SPDX-License-Identifier: Apache-2.0
"""Reports of runs."""

import json
from pathlib import Path

from devtest import report


def test_report_and_table(tmp_path: Path) -> None:
    done = report.Report(cloud="overcloud")
    done.finish("done", [("build", 1.25)])
    saved = json.loads(done.save(tmp_path).read_text())
    assert saved["outcome"] == "done"
    assert saved["steps"] == [["build", 1.25]]
    assert len(saved["load"]) == 2
    assert report.table([("build", 1.25)], ("step", "seconds")) == ("step   seconds\nbuild  1.2\n")
