"""`crossrt.quantize`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from crossrt.core.artifact import ModelArtifact
from crossrt.core.evaluation import Evaluation
from crossrt.progress import display_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossrt.given import Data, Model

_Said = TypeVar("_Said")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Quantized:
    """What `crossrt.quantize` made.

    Attributes:
        folder: Where the files and their manifests are.
        artifacts: The files, by `<variant>.<format>`.
        evaluations: How each answers, by the same names.
        problems: Why others could not be had, by the same names.
        cautions: What must be said of files that passed, by the same names.
        left_out: What was not built, each with the reason: recipes that do not fit, or need calibration data.
    """

    folder: Path
    artifacts: Mapping[str, ModelArtifact]
    evaluations: Mapping[str, Evaluation]
    problems: Mapping[str, str]
    cautions: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """One line."""
        files, failed = len(self.artifacts), len(self.problems)
        said = f"{files} file{'s' * (files != 1)}, {failed} problem{'s' * (failed != 1)}"
        return f"<Quantized in {self.folder}: {said}>"


def quantize(
    model: Model,
    out: str | Path,
    *,
    calibration: Data | None = None,
    data: Data | None = None,
    labels: NDArray[Any] | str | Path | None = None,
    recipes: Sequence[str] = (),
    minimum_agreement: float = 0.99,
    seed: int = 0,
    progress: bool = False,
) -> Quantized:
    """Builds quantized variants of a model by recipe, each checked against it, and writes them into a folder.

    Args:
        model: A Keras or SavedModel model, or a float ONNX or TFLite file.
        out: The folder to write.
        calibration: What quantizers are calibrated with; without it, only recipes that need none are built, and named
            ones that need it fail.
        data: What the files are checked on; None for the calibration data, or random inputs where there are none.
        labels: What is right for each sample.
        recipes: Names or patterns of recipes; none for all that fit the model.
        minimum_agreement: What answers a smaller share of the samples like the model is a problem.
        seed: Seed of random inputs.
        progress: Whether progress is shown on standard error.

    Raises:
        CrossrtError: Something cannot be used.
    """
    from crossrt.core.in_python import in_python
    from crossrt.harness.build.exported import read_folder, write_folder
    from crossrt.harness.build.quantizing import Quantizing, run_quantize
    from crossrt.harness.run.arguments import names_in, path_in
    from crossrt.harness.run.given import given_subject, python_words
    from crossrt.harness.run.prepare import scratch_folder

    folder = path_in("out", out)
    with (
        python_words(),
        given_subject(model, data, labels, calibration, None, None, None, seed) as subject,
        display_for(shows=progress) as display,
        scratch_folder() as scratch,
    ):
        asked = Quantizing(subject=subject, patterns=names_in("recipes", recipes), minimum_agreement=minimum_agreement)
        quantized = run_quantize(asked, scratch, display)
        name, exported = quantized.model, quantized.exported
        write_folder(exported.found, folder)

    def by_variant(found: Mapping[str, _Said]) -> dict[str, _Said]:
        return {key.removeprefix(f"{name}."): each for key, each in found.items()}

    written = read_folder(folder).artifacts
    return Quantized(
        folder=folder,
        artifacts=by_variant(written),
        evaluations=by_variant(exported.evaluations),
        problems=by_variant({key: in_python(each.reason) for key, each in exported.found.problems.items()}),
        cautions=by_variant({key: in_python(each) for key, each in exported.cautions.items()}),
        left_out=tuple(map(in_python, quantized.left_out)),
    )
