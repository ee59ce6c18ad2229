"""Every method on one model in one run, each compared with the float model and with the plain recipe behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import CrossrtError
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.core.system_errors import FROM_OUTSIDE, system_problem
from crossrt.exporters.recipes.plain import plain_of
from crossrt.exporters.recipes.toml_files import NamedRecipe
from crossrt.exporters.variants import method_recipes, shipped_recipes, variant_of
from crossrt.harness.build.export import Exported, float_variants, run_export
from crossrt.harness.build.model_files import float_counterpart
from crossrt.harness.build.quantizing import open_source
from crossrt.harness.build.recipes import choose_recipes
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.duel.run import run_duel
from crossrt.harness.measure.settings import BenchSettings, DuelSettings, Subject, at_least
from crossrt.harness.process.interrupts import interruptible
from crossrt.harness.run.prepare import refuse_overlap, scratch_folder
from crossrt.reports.text.cells import grouped, listed
from crossrt.reports.text.progress import Display
from crossrt.reports.verdicts.duel import Judgement, judge_duel
from crossrt.runtimes.registry import shipped_runtime_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """What is asked for.

    Attributes:
        subject: Model, data, calibration data.
        patterns: Names or shell patterns of recipes; none for all that come as methods.
        file: A file of recipes in place of the shipped ones.
        against: The recipe that all are compared with in place of the plain one of each.
        time_s: Seconds for which each is timed side by side with its plain recipe; None times nothing.
    """

    subject: Subject
    patterns: Sequence[str] = ()
    file: Path | None = None
    against: str | None = None
    time_s: float | None = None

    def __post_init__(self) -> None:
        """Raises `HarnessError` for a number that means nothing."""
        at_least("seed", self.subject.seed, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One recipe, carried out.

    Attributes:
        item: `<name>.<format>`.
        plain: The recipe that it is compared with; its own name where it is a plain one.
        artifact: The file.
        evaluation: How it answers.
        time: Its time over that of the plain recipe's file, where both were timed.
    """

    item: str
    plain: str
    artifact: ModelArtifact
    evaluation: Evaluation
    time: Judgement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class League:
    """All methods on one model.

    Attributes:
        model: Name of the model.
        metric: What the task is about, or None where nothing was scored.
        floats: The float files that they were made from, by format.
        methods: What was built, plain recipes among it, each followed by the methods on top of it, the best first.
        plains: What each recipe is compared with, by item, those included of which there is no file.
        failed: Reasons, by item, why a recipe that was asked for is not among them.
        unfit: The same for methods that do not apply to this model.
        cautions: What speaks against believing any of it.
        is_interrupted: Whether not all were built, evaluated or timed.
        is_asked_in_vain: Whether none of the recipes that were asked for has a file.
        untimed: Reasons, by item, why a method that should have been timed has no time.
    """

    model: str
    metric: MetricDefinition | None
    floats: Mapping[str, Method]
    methods: Sequence[Method]
    failed: Mapping[str, str]
    unfit: Mapping[str, str]
    cautions: Sequence[str]
    plains: Mapping[str, str] = field(default_factory=dict)
    is_interrupted: bool = False
    is_asked_in_vain: bool = False
    untimed: Mapping[str, str] = field(default_factory=dict)

    @property
    def outcomes(self) -> dict[str, str]:
        """What became of recipes of which there is no file, by item, in a word or two."""
        return {**dict.fromkeys(self.unfit, "not applicable"), **dict.fromkeys(self.failed, "failed")}

    def plain(self, method: Method) -> Method | None:
        """What a method is compared with; None for a plain recipe, and where the plain one failed."""
        if method.plain == method.item:
            return None
        return next((each for each in self.methods if each.item == method.plain), None)


def run_methods(asked: Methods, display: Display) -> League:
    """Builds and evaluates all methods, and times them where that is asked for.

    Raises:
        CrossrtError: A recipe, the model or data cannot be used, or packages are missing.
    """
    with interruptible():  # an end from outside tidies up and says what is finished, as Ctrl-C does
        with scratch_folder() as folder:
            league = _evaluated(asked, folder, display)
        return league if asked.time_s is None or league.is_interrupted else _timed(league, asked, display)


def _evaluated(asked: Methods, folder: Path, display: Display) -> League:
    if asked.subject.data is None and asked.subject.calibration is not None:
        raise HarnessError("methods are compared on samples that none of them saw: give test data with --data DATA")
    subject, opened = open_source(asked.subject, folder, display)
    project = opened.project
    if project.source is None and project.given and project.given[0].role != "float":
        name = project.given[0].path.name
        raise HarnessError(f"{name} is quantized already: give the float model that it was made from")
    refuse_overlap(opened)
    formats = project.source.exports if project.source is not None else ()
    plains = _with_plain(asked, project.model)
    chosen = {name: each for name, each in plains.items() if variant_of(each[0]).format in formats}
    if not chosen:
        raise HarnessError(f"none of {listed(list(plains))} is made from this model: crossrt recipes says what is")
    variants = [variant_of(named) for named, _ in chosen.values()]
    if project.calibration is None and any(each.needs_calibration for each in variants):
        raise HarnessError("methods are calibrated: give data with --calibration DATA")
    floats = float_variants(opened, list({variant.format for variant in variants}))
    is_named = asked.file is not None and not asked.patterns
    exported = run_export(opened, subject, [*floats, *variants], 0.0, display, is_named=is_named, keeps=True)
    found = exported.found
    if found.unfit and not found.problems and all(each.role == "float" for each in found.artifacts.values()):
        raise HarnessError(f"nothing that was chosen fits this model: {'; '.join(grouped(found.unfit))}")
    league = _league(exported, project.model, {name: plain for name, (_, plain) in chosen.items()})
    return dataclasses.replace(league, is_asked_in_vain=not _has_any(exported, asked, project.model))


def _has_any(exported: Exported, asked: Methods, model: str) -> bool:
    """Whether any recipe was built that was asked for, be it by all of a file or of the shipped ones."""
    recipes = choose_recipes(asked.file, asked.patterns or ("*",), model).recipes
    return any(f"{model}.{each.item}" in exported.found.artifacts for each in recipes)


def _with_plain(asked: Methods, model: str) -> dict[str, tuple[NamedRecipe, str]]:
    """The recipes that are asked for and the plain ones behind them, by item, each with the item of its plain one."""
    if asked.patterns or asked.file:
        recipes = choose_recipes(asked.file, asked.patterns, model).recipes
    else:
        recipes = method_recipes()
    known = [*recipes, *(each for each in shipped_recipes() if each.item not in {one.item for one in recipes})]
    found: dict[str, tuple[NamedRecipe, str]] = {}
    for each in recipes:
        plain = plain_of(each, known, asked.against)
        found.setdefault(plain.item, (plain, plain.item))
        found[each.item] = (each, plain.item)
    return found


def _league(exported: Exported, model: str, plains: Mapping[str, str]) -> League:
    artifacts, evaluations = exported.found.artifacts, exported.evaluations
    built = {
        item: Method(item=item, plain=plain, artifact=artifacts[key], evaluation=evaluations[key])
        for item, plain in plains.items()
        if (key := f"{model}.{item}") in artifacts and key in evaluations
    }
    floats: dict[str, Method] = {}
    for method in built.values():
        original = float_counterpart(method.artifact, list(artifacts.values()))
        if original is not None and original.id in evaluations:
            item = f"{original.variant}.{original.format}"
            floats[original.format] = Method(
                item=item, plain=item, artifact=original, evaluation=evaluations[original.id]
            )
    problems = {item.removeprefix(f"{model}."): each.reason for item, each in exported.found.problems.items()}
    return League(
        model=model,
        metric=next(iter(exported.definitions), None),
        floats=floats,
        methods=_in_order(list(built.values())),
        failed=problems,
        unfit={item.removeprefix(f"{model}."): reason for item, reason in exported.found.unfit.items()},
        cautions=exported.reference_cautions,
        plains=plains,
        is_interrupted=exported.is_interrupted,
    )


def _in_order(methods: Sequence[Method]) -> list[Method]:
    """Plain recipes as they come, each with its methods behind it, those with the least noise first."""
    found: list[Method] = []
    for plain in dict.fromkeys(each.plain for each in methods):
        group = [each for each in methods if each.plain == plain]
        group.sort(key=lambda each: (each.item != plain, -sqnr_db(each.evaluation)))
        found += group
    return found


def sqnr_db(evaluation: Evaluation) -> float:
    """The ratio of the worst output; infinite where no output has any noise."""
    return min((each.sqnr_db for each in evaluation.outputs if each.sqnr_db is not None), default=float("inf"))


def is_timed(method: Method) -> bool:
    """Whether its time says anything: no CPU computes in FP8, so that such files are there for their accuracy alone."""
    how = method.artifact.quantization
    return how is None or not how.weight_type.startswith("float8")


def _timed(league: League, asked: Methods, display: Display) -> League:
    """The same with each method timed in the same rounds as its plain recipe; interrupted, with those that were.

    What cannot be timed stays without a time: the answers, which took longer, are not lost with it.
    """
    methods, untimed = list(league.methods), dict[str, str]()
    for place, each in enumerate(methods):
        if (plain := league.plain(each)) is None or not is_timed(each):
            continue
        try:
            time = _time(plain.artifact, each.artifact, asked, display)
        except KeyboardInterrupt:
            return dataclasses.replace(league, methods=methods, untimed=untimed, is_interrupted=True)
        except (CrossrtError, *FROM_OUTSIDE) as error:
            untimed[each.item] = system_problem(error)
            continue
        methods[place] = dataclasses.replace(each, time=time)
    return dataclasses.replace(league, methods=methods, untimed=untimed)


def _time(plain: ModelArtifact, other: ModelArtifact, asked: Methods, display: Display) -> Judgement:
    assert asked.time_s is not None
    subject = dataclasses.replace(asked.subject, models=(), calibration=None)
    a, b = (f"{each.path}@{shipped_runtime_for(each.format)}" for each in (plain, other))
    settings = DuelSettings(
        run=BenchSettings(subject=subject, minimum_agreement=0.0, seed=subject.seed),
        a=a,
        b=b,
        budget_s=asked.time_s,
    )
    found = run_duel(settings, (), display)
    if found.run.status == "interrupted" and not found.run.broken_off:
        raise KeyboardInterrupt
    for arm in (found.a, found.b):
        if arm.result.status != "ok":
            raise HarnessError(arm.result.reason or arm.result.status)
    return judge_duel(found)
