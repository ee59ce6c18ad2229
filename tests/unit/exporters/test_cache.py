"""The artifact cache: same key, same file; damage is a miss; folders appear whole or not at all."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers
from crossrt.core.errors import ArtifactError
from crossrt.core.manifest import ARTIFACT_MANIFEST, REFERENCE_MANIFEST, write_manifest
from crossrt.exporters import cache as cache_module
from crossrt.exporters.cache import ArtifactCache, converter_versions, reference_key, shortage, variant_key
from crossrt.exporters.variants import main_variants

VARIANTS = main_variants()
KEY = "net.int8.tflite-0123456789abcdef"


@pytest.fixture
def cache(tmp_path) -> ArtifactCache:
    return ArtifactCache(tmp_path / "cache")


@pytest.fixture
def commit(cache, make_artifact):
    """Builds an artifact in the cache's staging folder and commits it."""

    def build(content: bytes = b"model") -> ModelArtifact:
        with cache.staging() as folder:
            staged = folder / "int8.tflite"
            staged.mkdir()
            write_manifest(make_artifact(staged, content=content), staged / ARTIFACT_MANIFEST)
            return cache.commit(staged, KEY, ModelArtifact)

    return build


def test_an_empty_cache_misses(cache):
    assert cache.find(KEY, ModelArtifact) is None


def test_what_was_committed_is_found(cache, commit):
    committed = commit()
    assert cache.find(KEY, ModelArtifact) == committed
    assert committed.path.read_bytes() == b"model"


def test_a_committed_artifact_lies_under_its_key(commit, tmp_path):
    assert commit().path == tmp_path / "cache" / KEY / "net.int8.tflite"


def test_answers_of_the_model_are_cached_too(cache, make_reference):
    with cache.staging() as folder:
        staged = folder / "reference"
        staged.mkdir()
        write_manifest(make_reference(staged), staged / REFERENCE_MANIFEST)
        committed = cache.commit(staged, "net.reference-0", ReferenceAnswers)
    assert cache.find("net.reference-0", ReferenceAnswers) == committed


def test_another_key_misses(cache, commit):
    commit()
    assert cache.find(f"{KEY}0", ModelArtifact) is None


def test_an_artifact_is_not_a_reference(cache, commit):
    commit()
    assert cache.find(KEY, ReferenceAnswers) is None


@pytest.mark.parametrize("damaged", ["net.int8.tflite", ARTIFACT_MANIFEST])
def test_damage_is_a_miss(cache, commit, tmp_path, damaged):
    commit()
    (tmp_path / "cache" / KEY / damaged).write_bytes(b"{}")
    assert cache.find(KEY, ModelArtifact) is None


@pytest.mark.parametrize("lost", ["net.int8.tflite", ARTIFACT_MANIFEST])
def test_a_lost_file_is_a_miss(cache, commit, tmp_path, lost):
    commit()
    (tmp_path / "cache" / KEY / lost).unlink()
    assert cache.find(KEY, ModelArtifact) is None


def test_a_damaged_artifact_is_replaced(cache, commit):
    commit().path.write_bytes(b"damaged")
    assert commit(b"built again").path.read_bytes() == b"built again"
    assert cache.find(KEY, ModelArtifact) is not None


def test_replacing_leaves_nothing_else_behind(commit, tmp_path):
    commit().path.write_bytes(b"damaged")
    commit(b"built again")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [KEY]


def test_the_first_of_two_commits_stays(cache, commit):
    first = commit(b"first")
    assert commit(b"second") == first
    assert cache.find(KEY, ModelArtifact).path.read_bytes() == b"first"


def test_a_folder_without_manifest_cannot_be_committed(cache):
    with cache.staging() as folder:
        (folder / "empty").mkdir()
        with pytest.raises(ArtifactError):
            cache.commit(folder / "empty", KEY, ModelArtifact)


def test_staging_lies_on_the_disk_of_the_cache(cache, tmp_path):
    with cache.staging() as folder:
        assert folder.parent == tmp_path / "cache"


def test_staging_is_removed_after_an_error(cache, tmp_path):
    def fail(folder):
        (folder / "half.onnx").write_bytes(b"half")
        raise RuntimeError("the converter crashed")

    with pytest.raises(RuntimeError), cache.staging() as folder:
        fail(folder)
    assert not list((tmp_path / "cache").iterdir())


def test_staging_is_removed_after_a_commit(commit, tmp_path):
    commit()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [KEY]


def test_key_is_the_same_for_the_same_model_and_variant():
    keys = {variant_key("net", "a" * 64, variant) for variant in (*VARIANTS, *VARIANTS)}
    assert len(keys) == len(VARIANTS)


def test_key_names_what_it_holds():
    assert variant_key("net", "a" * 64, VARIANTS[1]).startswith("net.int8-qdq.onnx-")
    assert reference_key("net", "a" * 64, "e" * 64, 10).startswith("net.reference-")


def test_key_changes_with_the_model_file():
    assert variant_key("net", "a" * 64, VARIANTS[1]) != variant_key("net", "b" * 64, VARIANTS[1])
    assert reference_key("net", "a" * 64, "e" * 64, 10) != reference_key("net", "b" * 64, "e" * 64, 10)


@pytest.mark.parametrize(
    "change",
    [{"per_channel": False}, {"activation_type": "int8"}, {"calibration_samples": 10}, {"calibration_seed": 1}],
    ids=lambda change: next(iter(change)),
)
def test_key_changes_with_every_setting_of_the_recipe(change):
    variant = VARIANTS[1]
    other = replace(variant, recipe=msgspec.structs.replace(variant.recipe, **change))
    assert variant_key("net", "a" * 64, variant) != variant_key("net", "a" * 64, other)


def test_key_changes_with_the_calibration_data_of_recipes_that_use_them():
    static, dynamic = VARIANTS[1], VARIANTS[3]
    keys = {variant_key("net", "a" * 64, static, fingerprint) for fingerprint in (None, "e" * 64, "f" * 64)}
    assert len(keys) == 3
    assert variant_key("net", "a" * 64, dynamic, "e" * 64) == variant_key("net", "a" * 64, dynamic)


def test_key_changes_with_the_converters(monkeypatch):
    before = variant_key("net", "a" * 64, VARIANTS[0]), reference_key("net", "a" * 64, "e" * 64, 10)
    monkeypatch.setattr(cache_module, "producer_state", cache_module.producer_state.__wrapped__)
    assert (variant_key("net", "a" * 64, VARIANTS[0]), reference_key("net", "a" * 64, "e" * 64, 10)) == before
    monkeypatch.setattr(cache_module, "converter_versions", lambda: {"tf2onnx": "99.0"})
    assert variant_key("net", "a" * 64, VARIANTS[0]) != before[0]
    assert reference_key("net", "a" * 64, "e" * 64, 10) != before[1]


def test_reference_key_changes_with_the_data_and_the_number_of_samples():
    keys = {reference_key("net", "a" * 64, data * 64, samples) for data in "ef" for samples in (10, 11)}
    assert len(keys) == 4


def test_converters_that_are_not_installed_have_no_version(monkeypatch):
    monkeypatch.setattr(cache_module, "CONVERTERS", ("numpy", "no-such-converter"))
    assert list(converter_versions.__wrapped__()) == ["numpy"]


def test_a_folder_that_cannot_be_written_names_the_variable_that_helps(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ArtifactError, match=r"file/artifacts cannot be written .*CROSSRT_CACHE_DIR=FOLDER"),
        ArtifactCache(tmp_path / "file" / "artifacts").staging(),
    ):
        pass


def test_a_full_disk_names_the_place(tmp_path, monkeypatch):
    usage = cache_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: usage._replace(free=2**19))
    assert f"{tmp_path} has only 0.5 MiB free" in shortage(tmp_path, 0)
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: usage._replace(free=2**30))
    assert shortage(tmp_path, 2**29) is None
    assert "CROSSRT_CACHE_DIR=FOLDER" in shortage(tmp_path, 2**31)


def test_an_entry_that_was_put_under_another_key_is_not_taken(cache, commit, tmp_path):
    commit()
    for other in (KEY.replace("int8", "fp32"), f"{KEY[:-1]}0"):
        (tmp_path / "cache" / KEY).rename(tmp_path / "cache" / other)
        assert cache.find(other, ModelArtifact) is None
        (tmp_path / "cache" / other).rename(tmp_path / "cache" / KEY)
    (tmp_path / "cache" / KEY / "key").write_text("x-0")
    assert cache.find(KEY, ModelArtifact) is None


def test_a_manifest_of_another_variant_is_not_taken(cache, commit, tmp_path):
    found = commit()
    write_manifest(replace(found, variant="fp32"), tmp_path / "cache" / KEY / ARTIFACT_MANIFEST)
    assert cache.find(KEY, ModelArtifact) is None


@pytest.mark.parametrize("part", [".", "net.int8.tflite", ARTIFACT_MANIFEST])
def test_an_entry_that_others_can_write_is_not_trusted(cache, commit, tmp_path, part):
    commit()
    (tmp_path / "cache" / KEY / part).chmod(0o777)
    assert cache.find(KEY, ModelArtifact) is None


@pytest.mark.parametrize("part", [".", "net.int8.tflite"])
def test_an_entry_that_is_a_link_is_not_trusted(cache, commit, tmp_path, part):
    commit()
    place = tmp_path / "cache" / KEY / part if part != "." else tmp_path / "cache" / KEY
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert cache.find(KEY, ModelArtifact) is None
