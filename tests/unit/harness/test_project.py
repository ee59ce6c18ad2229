"""What a user brings, sorted out: candidates, names, batch sizes, data."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import msgspec
import pytest

from crossrt.core.errors import ArtifactError, CrossrtError
from crossrt.datasets.opening import RANDOM, DataRequest
from crossrt.datasets.reference import reference_models
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspection import Inspection
from crossrt.exporters.variants import FLOAT_KERAS, FLOAT_SAVED_MODEL
from crossrt.harness.build import project as module
from crossrt.harness.build.project import resolve
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.duel.arms import parse_side
from crossrt.harness.measure.duel.prepare import may_be_calibrated, paths_of, with_files
from crossrt.harness.measure.settings import BenchSettings, Subject
from crossrt.harness.process.probe import RuntimeInfo

pytestmark = pytest.mark.processes

SOME = DataRequest(reference="train.npz")


@pytest.fixture(scope="module")
def inspections(tmp_path_factory, inspected):
    folder = tmp_path_factory.mktemp("cache")
    (folder / "inspections").symlink_to(inspected)
    return folder


@pytest.fixture(autouse=True)
def own_cache(inspections, monkeypatch):
    """All tests of this module share what was found out about the same files."""
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(inspections))


def labels_of(project) -> list[str]:
    return [f"{each.variant}.{each.format}" for each in project.candidates]


def write_empty_keras(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")


@pytest.fixture
def keras(monkeypatch, tmp_path):
    """Stands for a Keras model: inspecting a real one takes TensorFlow some seconds."""
    inspect, path = module.inspect_model, tmp_path / "own.keras"
    write_empty_keras(path)

    def inspected(path, *, allow_h5=False):
        if path.suffix != ".keras":
            return inspect(path, allow_h5=allow_h5)
        shape = inspect(shape_like, allow_h5=False)
        fields = {name: getattr(shape, name) for name in Inspection.__struct_fields__}
        fields |= {"path": str(path), "model": path.stem, "kind": "keras", "exports": ("onnx", "tflite")}
        return Inspection(**fields)

    shape_like = tmp_path / "shape.onnx"
    shutil.copyfile(Path(__file__).parents[2] / "data" / "models" / "conv.fp32.onnx" / "model.onnx", shape_like)
    monkeypatch.setattr(module, "inspect_model", inspected)
    return path


def test_one_float_file_is_run_as_it_is_on_random_inputs(model):
    project = resolve(Subject(models=(model("pair.fp32.onnx", "pair.onnx"),)))
    assert (project.model, labels_of(project)) == ("pair", ["fp32.onnx"])
    assert (project.source, project.variants, project.calibration) == (None, (), None)
    assert (project.data.reference, project.data.limit, project.is_random) == (RANDOM, 64, True)
    assert project.batch_sizes == (1,)
    assert [spec.name for spec in project.inputs] == ["left", "right"]
    assert not project.is_bundled


def test_samples_and_seed_of_random_inputs_are_those_of_the_user(model):
    subject = Subject(models=(model("tokens.int64.onnx"),), samples=5, seed=3, dimensions={"seq": 9})
    data = resolve(subject).data
    assert (data.limit, data.seed, data.dimensions) == (5, 3, {"seq": 9})


@pytest.mark.parametrize(
    ("name", "variant"),
    [("half.fp16.onnx", "fp16"), ("conv.int8-io.tflite", "int8"), ("pair.fp32.tflite", "fp32")],
)
def test_a_file_is_named_after_what_it_holds(model, name, variant):
    project = resolve(Subject(models=(model(name),)))
    assert [each.variant for each in project.candidates] == [variant]


def test_a_quantized_file_has_the_role_of_one(model):
    (artifact,) = resolve(Subject(models=(model("conv.int8-io.tflite"),))).given
    assert (artifact.role, artifact.quantization.weight_type) == ("quantized", "int8")


def test_a_quantized_file_keeps_the_name_that_its_manifest_gives(folder, model, tmp_path):
    path = folder / "conv.int8-io.tflite"
    project = resolve(Subject(models=(path,)))
    assert (project.model, [each.variant for each in project.candidates]) == ("conv", ["int8-io"])
    assert project.given[0].source_sha256 == "5" * 64
    path.write_bytes(model("conv.int8-io.tflite").read_bytes() + b"\0" * 4)  # not the file of the manifest any more
    assert [each.variant for each in resolve(Subject(models=(path,))).candidates] == ["int8"]


@pytest.mark.parametrize(
    ("said", "instead", "named"),
    [
        ('"role": "quantized"', '"role": "float"', "role float in the manifest, quantized in the file itself"),
        ('"dtype": "int8"', '"dtype": "uint8"', "input image uint8 .* in the manifest, image int8 .* in the file"),
        (
            "\n        28,",
            "\n        30,",
            r"input image int8 \(.*, 30, .* in the manifest, image int8 \(.*, 28, .* in",
        ),
    ],
)
def test_a_manifest_that_contradicts_its_file_is_refused(folder, said, instead, named):
    path = folder / "conv.int8-io.tflite"
    manifest = path.with_name(f"{path.name}.manifest.json")
    text = manifest.read_text()
    assert said in text
    manifest.write_text(text.replace(said, instead, 1))
    with pytest.raises(ArtifactError, match=rf"{re.escape(str(manifest))} contradicts its file.*{named}"):
        resolve(Subject(models=(path,)))


def test_several_files_are_named_after_themselves_and_the_first_names_the_model(model):
    files = (
        model("conv.fp32.onnx", "a.onnx"),
        model("conv.fp32.tflite", "b.tflite"),
        model("conv.fp32.onnx", "c.onnx"),
    )
    project = resolve(Subject(models=files))
    assert project.model == "a"
    assert labels_of(project) == ["a.onnx", "b.tflite", "c.onnx"]
    assert [each.path for each in project.given] == list(files)


def test_files_of_one_name_are_numbered(model, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    files = (model("conv.fp32.onnx", "one/net.onnx"), model("conv.fp32.onnx", "two/net.onnx"))
    assert labels_of(resolve(Subject(models=files))) == ["net-1.onnx", "net-2.onnx"]


def test_one_name_in_two_formats_needs_no_number(model):
    files = (model("conv.fp32.onnx", "net.onnx"), model("conv.fp32.tflite", "net.tflite"))
    assert labels_of(resolve(Subject(models=files))) == ["net.onnx", "net.tflite"]


def test_a_folder_with_one_onnx_file_is_that_file(model, tmp_path):
    (tmp_path / "mymodel").mkdir()
    path = model("pair.fp32.onnx", "mymodel/model.onnx")
    assert resolve(Subject(models=(tmp_path / "mymodel",))).given[0].path == path


def test_a_folder_with_two_onnx_files_is_refused_with_one_of_them(model, tmp_path):
    (tmp_path / "mymodel").mkdir()
    for name in ("a.onnx", "b.onnx"):
        model("pair.fp32.onnx", f"mymodel/{name}")
    with pytest.raises(ModelError, match=r"mymodel holds 2 ONNX files: name one of them, such as .*a.onnx"):
        resolve(Subject(models=(tmp_path / "mymodel",)))


@pytest.mark.parametrize("as_model", [True, False])
def test_a_folder_of_artifacts_is_run_as_it_is(folder, as_model):
    project = resolve(Subject(models=(folder,)) if as_model else Subject(artifacts=folder))
    assert project.model == "conv"
    assert sorted(labels_of(project)) == ["fp32.onnx", "fp32.tflite", "int8-io.tflite"]
    assert project.source is None
    assert project.is_random
    assert project.folder is not None


def test_a_folder_of_artifacts_takes_the_data_of_the_user(folder):
    project = resolve(Subject(artifacts=folder, data=SOME, calibration=SOME))
    assert (project.data, project.calibration) == (SOME, SOME)


def test_an_onnx_file_with_calibration_is_quantized(model):
    project = resolve(Subject(models=(model("conv.fp32.onnx", "net.onnx"),), calibration=SOME))
    assert (project.source.kind, project.source.model) == ("onnx", "net")
    assert labels_of(project)[0] == "fp32.onnx"
    assert len(project.variants) >= 3
    assert {each.format for each in project.variants} == {"onnx"}
    assert all(each.recipe is not None for each in project.variants)
    assert len({each.id for each in project.candidates}) == len(project.candidates)


def test_a_float_tflite_file_with_calibration_can_be_quantized_to_tflite(model):
    project = resolve(Subject(models=(model("conv.fp32.tflite", "net.tflite"),), calibration=SOME))
    assert (project.source.kind, project.source.model) == ("tflite", "net")
    assert labels_of(project)[0] == "fp32.tflite"
    assert {each.item for each in project.variants} == {
        "fp16.tflite",
        "int8-dynamic.tflite",
        "int8.tflite",
        "int8-io.tflite",
    }


@pytest.mark.parametrize("name", ["conv.int8-io.tflite", "dense.uint8-io.onnx"])
def test_other_files_are_not_quantized_again(model, name):
    project = resolve(Subject(models=(model(name),), calibration=SOME))
    assert (project.source, project.variants) == (None, ())


def test_a_keras_model_with_calibration_has_every_variant(keras):
    project = resolve(Subject(models=(keras,), calibration=SOME))
    assert project.model == "own"
    assert project.given == ()
    assert {each.format for each in project.variants} == {"onnx", "tflite"}
    assert {each.role for each in project.candidates} == {"float", "quantized"}


def test_a_keras_model_is_a_candidate_as_it_is_and_no_variant(keras, model):
    project = resolve(Subject(models=(keras,)))
    assert [each.id for each in project.candidates if each.format == "keras"] == ["own.fp32.keras"]
    assert FLOAT_KERAS in project.buildable
    assert FLOAT_KERAS not in project.variants
    assert not any(each.format == "keras" for each in resolve(Subject(models=(model("conv.fp32.onnx"),))).candidates)


def test_a_saved_model_is_a_candidate_as_it_is_and_no_variant(keras, monkeypatch):
    inspected = module.inspect_model
    monkeypatch.setattr(
        module, "inspect_model", lambda path, **how: msgspec.structs.replace(inspected(path, **how), kind="saved-model")
    )
    project = resolve(Subject(models=(keras,)))
    assert [each.id for each in project.candidates if each.format == "saved-model"] == ["own.fp32.saved-model"]
    assert FLOAT_SAVED_MODEL not in project.variants


def test_a_keras_model_without_calibration_has_what_needs_none(keras):
    everything = resolve(Subject(models=(keras,), calibration=SOME)).variants
    found = resolve(Subject(models=(keras,))).variants
    assert set(found) < set(everything)
    assert not any(each.needs_calibration for each in found)
    assert {each.format for each in found if each.recipe is None} == {"onnx", "tflite"}
    assert all(each.needs_calibration for each in set(everything) - set(found))


def test_a_keras_model_beside_a_file_is_the_source_and_the_file_is_run_as_it_is(keras, model):
    project = resolve(Subject(models=(model("conv.fp32.onnx", "theirs.onnx"), keras)))
    assert (project.model, project.source.kind) == ("own", "keras")
    assert labels_of(project)[0] == "theirs.onnx"
    assert len(project.candidates) > 1


def test_two_models_that_must_be_exported_are_refused(keras, tmp_path):
    write_empty_keras(tmp_path / "other.keras")
    with pytest.raises(HarnessError, match=r"own.keras and .*other.keras both have to be exported"):
        resolve(Subject(models=(keras, tmp_path / "other.keras")))


def test_the_bundled_name_is_the_bundled_reference_with_its_data():
    name = reference_models()[0]
    for models in ((), (Path(name),)):
        project = resolve(Subject(models=models))
        assert project.model == name
        assert project.is_bundled
        assert not project.is_random
        assert project.batch_sizes == (1, 32)
        assert project.calibration is not None
        assert project.data != project.calibration
        assert project.shares_none
        assert not resolve(Subject(models=models, calibration=SOME)).shares_none


def test_a_bundled_model_on_data_of_the_user_is_not_the_reference_any_more():
    project = resolve(Subject(data=SOME))
    assert (project.data, project.is_bundled, project.batch_sizes) == (SOME, False, (1,))


def test_a_file_or_folder_of_that_name_wins(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / reference_models()[0]).mkdir()
    model("pair.fp32.onnx", f"{reference_models()[0]}/model.onnx")
    assert resolve(Subject(models=(Path(reference_models()[0]),))).model == "model"


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("fixed.fp32.onnx", (4,)), ("fixed.fp32.tflite", (4,)), ("signal.fp32.onnx", (1,)), ("state.fp32.onnx", (1,))],
)
def test_batch_sizes_are_those_that_a_model_can_run(model, name, sizes):
    assert resolve(Subject(models=(model(name),))).batch_sizes == sizes


@pytest.mark.parametrize(
    ("content", "name"), [(b"", "x.onnx"), (b"not onnx", "x.onnx"), (b"", "x.tflite"), (b"hello", "x.txt")]
)
def test_what_is_not_a_model_is_refused_by_name(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CrossrtError, match=name):
        resolve(Subject(models=(tmp_path / name,)))


def test_a_model_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(CrossrtError, match=r"missing\.onnx"):
        resolve(Subject(models=(tmp_path / "missing.onnx",)))


def test_data_files_beside_a_model_belong_to_it(model):
    (artifact,) = resolve(Subject(models=(model("external.fp32.onnx"),))).given
    assert len(artifact.data_files) == 1
    assert artifact.size_bytes > artifact.path.stat().st_size


@pytest.mark.parametrize(
    ("a", "expected"),
    [
        ("own.keras", ["own.fp32.onnx"]),
        ("own.keras@tflite", ["own.fp32.onnx", "own.fp32.tflite"]),
        ("other.onnx", []),
    ],
)
def test_a_keras_model_is_a_side_in_the_format_of_the_other_file(model, keras, monkeypatch, a, expected):
    monkeypatch.chdir(keras.parent)
    model("conv.fp32.onnx", "other.onnx")
    project = resolve(Subject(models=(Path("own.keras"), Path("other.onnx"))))
    given = {each.id for each in project.given}
    paths = paths_of(project, parse_side(a), parse_side("other.onnx"))
    assert sorted(paths.keys() - given) == expected
    assert {str(paths[each]) for each in expected} <= {"own.keras"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c@c/own@2.onnx", ("c@c/own@2.onnx", True, None, None)),
        ("c@c/own@2.onnx/t2", ("c@c/own@2.onnx", True, None, 2)),
        ("c@c/own@2.onnx@ort-cpu==1.29.0/t2", ("c@c/own@2.onnx", True, "ort-cpu==1.29.0", 2)),
        ("c@c", ("c@c", True, None, None)),
        ("c@c/t2", ("c@c/t2", True, None, None)),
        ("fp32@ort-cpu:spin=1/t2", ("fp32", False, "ort-cpu:spin=1", 2)),
    ],
)
def test_a_side_is_an_existing_file_or_is_split_at_its_last_at_sign(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c@c" / "t2").mkdir(parents=True)
    (tmp_path / "c@c" / "own@2.onnx").touch()
    side = parse_side(text)
    assert (side.name, side.path is not None, side.runtime, side.threads) == expected


@pytest.mark.parametrize("text", ["", "@ort-cpu", "c@c/missing.onnx", "fp32@"])
def test_a_side_that_is_no_file_and_names_no_runtime_is_refused(text):
    with pytest.raises(HarnessError, match="is not written like a side"):
        parse_side(text)


def test_a_keras_model_beside_itself_is_a_side_in_every_format(keras, monkeypatch):
    monkeypatch.chdir(keras.parent)
    project, side = resolve(Subject(models=(Path("own.keras"),))), parse_side("own.keras")
    assert sorted(paths_of(project, side, side)) == ["own.fp32.onnx", "own.fp32.tflite"]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("other.onnx", False),
        ("fp32@tflite", False),
        ("own.int8-dynamic.onnx@ort-cpu", False),
        ("int8-qdq@ort-cpu", True),
        ("own.int8@tflite", True),
        ("mistyped@tflite", True),
    ],
)
def test_calibration_data_of_a_configuration_are_for_sides_that_may_be_calibrated(model, monkeypatch, side, expected):
    monkeypatch.chdir(model("conv.fp32.onnx", "other.onnx").parent)
    assert may_be_calibrated(parse_side(side)) is expected
    origin = {"calibration": SOME, "calibration_origin": "crossrt.toml"}
    found = with_files(BenchSettings(subject=Subject(**origin)), [parse_side(side)] * 2).subject
    assert (found.calibration is not None, found.calibration_origin is not None) == (expected, expected)
    named = with_files(BenchSettings(subject=Subject(calibration=SOME)), [parse_side(side)] * 2).subject
    assert named.calibration == SOME


def test_what_lacks_calibration_data_is_said_of_what_runtimes_and_patterns_take(model):
    subject = Subject(models=(model("pair.fp32.onnx", "pair.onnx"),))
    project = resolve(subject)

    def said(*only, reads="onnx"):
        runtimes = [RuntimeInfo(name="ort-cpu", version="1", formats=(reads,))]
        return project.uncalibrated(runtimes, BenchSettings(subject=subject, only=only, batch_sizes=(1,)))

    needed = "no calibration data were given (--calibration DATA)"
    assert said() == [
        f"pair.int8-qdq.onnx, pair.int8-qoperator.onnx: {needed}",
        "pair.int8-dynamic.onnx: crossrt bench builds nothing from a float file without --calibration DATA; crossrt"
        " quantize builds this",
    ]
    assert said("int8-qdq*") == [f"pair.int8-qdq.onnx: {needed}"]
    assert said("fp32") == said(reads="tflite") == []
