"""Reading reports that are not what they should be, and writing them whole or not at all."""

from __future__ import annotations

import errno
import json
import lzma
import os
import zlib

import msgspec
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.schema import files
from crossrt.reports.schema.files import read_report, write_atomically, write_report, write_together

DAMAGES = {
    "empty": lambda _: b"",
    "not JSON": lambda _: b"PK\x03\x04 something else",
    "not UTF-8": lambda _: b"\xff\xfe\x00",
    "not an object": lambda _: b"[1, 2, 3]",
    "truncated": lambda good: good[: len(good) // 2],
    "NaN": lambda good: good.replace(b'"minimum_agreement": 0.99', b'"minimum_agreement": NaN'),
    "wrong type": lambda good: good.replace(b'"seed": 0', b'"seed": "zero"'),
    "negative time": lambda good: good.replace(b'"block_target_ns": 8000000', b'"block_target_ns": -1'),
    "unknown status": lambda good: good.replace(b'"status": "complete"', b'"status": "great"'),
    "missing part": lambda good: good.replace(b'"environment"', b'"surroundings"'),
    "no version": lambda good: good.replace(b'"schema_version"', b'"version"'),
    "version as text": lambda good: good.replace(b'"schema_version": 1', b'"schema_version": "1"'),
    "version zero": lambda good: good.replace(b'"schema_version": 1', b'"schema_version": 0'),
}


def refusal(path) -> str:
    with pytest.raises(ReportError) as caught:
        read_report(path)
    return str(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_report_is_one_error_that_names_the_file(sample_path, tmp_path, damage):
    good, path = sample_path.read_bytes(), tmp_path / "report.json"
    path.write_bytes(DAMAGES[damage](good))
    assert path.read_bytes() != good
    assert str(path) in refusal(path)


def test_what_is_wrong_with_a_value_is_said_with_its_place(sample_path, tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(DAMAGES["wrong type"](sample_path.read_bytes()))
    assert "$.run.settings.seed" in refusal(path)


@pytest.mark.parametrize("version", [3, 99, 10**30])
def test_a_newer_report_asks_for_an_update(tmp_path, version):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"schema_version": version, "results_of_the_future": []}))
    message = refusal(path)
    assert str(path) in message
    assert f"version {version}" in message
    assert "update crossrt" in message


def test_fields_of_a_later_crossrt_are_ignored(sample_path, tmp_path, sample):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**json.loads(sample_path.read_bytes()), "remark": "new"}))
    assert read_report(path) == sample


def test_a_missing_report_is_named(tmp_path):
    message = refusal(tmp_path / "nothing.json")
    assert "nothing.json" in message
    assert "does not exist" in message


def test_a_folder_is_not_a_report(tmp_path):
    assert str(tmp_path) in refusal(tmp_path)


def test_an_oversized_report_is_refused_unread(sample_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    message = refusal(sample_path)
    assert str(sample_path) in message
    assert "more than 100 bytes" in message


def test_a_report_nested_too_deeply_is_refused(tmp_path):
    path = tmp_path / "report.json"
    path.write_text('{"schema_version": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}")
    assert str(path) in refusal(path)


def test_a_written_report_reads_back_the_same(sample, tmp_path):
    write_report(sample, tmp_path / "new" / "folder" / "report.json")
    assert read_report(tmp_path / "new" / "folder" / "report.json") == sample


def test_unmeasured_results_read_back_the_same(make_result, make_report, tmp_path):
    report = make_report(
        make_result(medians=[1]), make_result("x@ort-cpu", status="failed", reason="ä|\n\x1b[0m", rounds=())
    )
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


def test_writing_replaces_an_old_report_and_leaves_nothing_else(sample, tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    write_report(sample, path)
    assert list(tmp_path.iterdir()) == [path]
    assert read_report(path) == sample


def test_a_written_report_can_be_read_by_others(sample, tmp_path):
    write_report(sample, tmp_path / "report.json")
    assert (tmp_path / "report.json").stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_report_and_no_half_written_one(sample, tmp_path, monkeypatch, step):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "report.json"
    path.write_text("old")
    monkeypatch.setattr(os, step, full)
    with pytest.raises(ReportError, match="No space left") as caught:
        write_report(sample, path)
    assert str(path) in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_no_half_written_report(tmp_path, monkeypatch):
    def interrupt(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "report.json", b"new")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_one_error(sample, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportError, match="choose another place") as caught:
        write_report(sample, tmp_path / "file" / "report.json")
    assert str(tmp_path / "file" / "report.json") in str(caught.value)


def test_a_folder_that_cannot_be_written_is_one_error(sample, tmp_path, monkeypatch):
    def denied(*_arguments, **_options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("crossrt.core.scratch.tempfile.mkdtemp", denied)
    with pytest.raises(ReportError, match="Permission denied"):
        write_report(sample, tmp_path / "report.json")


def test_a_command_that_is_not_unicode_does_not_cost_the_report(make_report, make_result, tmp_path):
    report = make_report(make_result(), command=("crossrt", "bench", "--out", os.fsdecode(b"\xff")))
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json").results == report.results


def test_samples_are_written_as_integers(sample, tmp_path):
    write_report(sample, tmp_path / "report.json")
    written = msgspec.json.decode((tmp_path / "report.json").read_bytes())
    samples = written["results"][0]["rounds"][0]["blocks_ns"][0]
    assert len(samples) == 14
    assert {type(each) for each in samples} == {int}


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"content")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert pipe.is_fifo()


def test_files_that_belong_together_are_written_all_or_none(tmp_path):
    first, obstacle = tmp_path / "first", tmp_path / "obstacle"
    first.write_text("old")
    obstacle.write_text("no folder")
    with pytest.raises(ReportError, match="second cannot be written"):
        write_together({first: (b"new",), obstacle / "second": (b"new",)})
    assert first.read_text() == "old"
    assert set(tmp_path.iterdir()) == {first, obstacle}


def test_a_folder_in_the_place_of_one_file_costs_no_other(tmp_path):
    first, folder = tmp_path / "first", tmp_path / "folder"
    first.write_text("old")
    folder.mkdir()
    with pytest.raises(ReportError, match="folder cannot be written: Is a directory"):
        write_together({first: (b"new",), folder: (b"new",)})
    assert first.read_text() == "old"


def test_reports_of_a_pytest_session_are_said_to_be_that(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text('{"schema_version": 2, "kind": "pytest", "reports": {}}')
    assert f"pytest --crossrt-baseline {path}" in refusal(path)


def test_a_report_packed_by_xz_is_read_as_it_is(sample_path, tmp_path):
    packed = tmp_path / "report.json.xz"
    packed.write_bytes(lzma.compress(sample_path.read_bytes()))
    assert read_report(packed) == read_report(sample_path)
    packed.write_bytes(packed.read_bytes()[:-40])
    assert f"{packed} cannot be unpacked: it ends before its end" in refusal(packed)
    packed.write_bytes(packed.read_bytes()[:20] + b"garbage" * 9)
    assert f"{packed} cannot be unpacked: " in refusal(packed)


def test_bytes_behind_what_is_packed_are_damage(sample_path, tmp_path):
    packed = tmp_path / "report.json.xz"
    packed.write_bytes(lzma.compress(sample_path.read_bytes()) + b"\0" * 8)  # such padding is of the format
    assert read_report(packed) == read_report(sample_path)
    packed.write_bytes(packed.read_bytes() + b"a late edit")
    assert f"{packed} is damaged: 11 bytes follow the end of what xz packed" in refusal(packed)


def test_what_is_unpacked_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    (tmp_path / "bomb.json.xz").write_bytes(lzma.compress(b" " * 10**6))
    assert "has more than 1000 bytes: no report is that large" in refusal(tmp_path / "bomb.json.xz")


def test_the_memory_that_unpacking_takes_is_bounded(tmp_path, sample_path):
    """A dictionary of 4 GiB is asked for by one byte of the header of a block, whose checksum comes after it."""
    packed = bytearray(lzma.compress(sample_path.read_bytes()))
    start, size = 12, 4 * (packed[12] + 1)
    packed[packed.index(b"\x21\x01", start) + 2] = 40
    end = start + size
    packed[end - 4 : end] = zlib.crc32(packed[start : end - 4]).to_bytes(4, "little")
    (tmp_path / "large.json.xz").write_bytes(packed)
    assert "cannot be unpacked: memory usage limit exceeded" in refusal(tmp_path / "large.json.xz")
