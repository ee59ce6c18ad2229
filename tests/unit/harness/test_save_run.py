"""Where a report goes that cannot be written where it should be."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from crossrt.cli.shared.saving import Saved
from crossrt.reports.schema.files import read_report

ROOT = Path(__file__).parents[3]
REPORT = ROOT / "tests" / "data" / "report-v1.json"


def test_a_report_without_its_place_goes_where_nobody_else_can_have_left_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "file").write_text("")
    report = read_report(REPORT)
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "tmp" / f"crossrt-{report.run.id}.json").symlink_to(tmp_path / "victim")
    saved = Saved()
    saved.write(report, tmp_path / "file" / "report.json")
    path = saved.path
    assert read_report(path) == report
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "victim").read_text() == "precious"
    assert f"saved as {path}" in capsys.readouterr().err


def test_every_action_that_ours_uses_is_pinned_by_commit():
    used = re.findall(r"uses: (\S+)", (ROOT / "action.yml").read_text())
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each) for each in used)
