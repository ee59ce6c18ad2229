"""One file, answered here and on the emulated processor, and how far the two are apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation
from crossrt.harness.emulation.emulator import Emulator
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.answers import Answers, collect_answers
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.evaluate.distances import case_outputs
from crossrt.harness.evaluate.feeding import Feeding
from crossrt.harness.evaluate.judge import Judge
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.schema.records import Distance
from crossrt.reports.statistics.divergence import distances

SLOWER: Final = 20
"""A step may take so many times as long under the emulator as a worker may otherwise take for it."""

ANSWERING_S: Final = 60.0
"""How long a case may answer samples there: of a large model only the first are."""

FEWEST_SAMPLES: Final = 16
_TRIAL_CALLS: Final = 5
_ILLEGAL: Final = ("unrecognised instruction", "SIGILL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A file to be answered on both processors.

    Attributes:
        case: How it is asked; its runtime and scenario count.
        artifact: The file.
        feeding: How data feed it.
        owner: Id of the case of the report that it belongs to.
        cure: What was changed against the other processor's answers; empty for nothing.
        options: Options of the runtime.
    """

    case: Case
    artifact: ModelArtifact
    feeding: Feeding
    owner: str
    cure: str = ""
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Answering:
    """Answers files under an emulator and without it."""

    def __init__(self, emulator: Emulator, data: RunData, judge: Judge, settings: BenchSettings) -> None:
        self._emulator, self._data, self._judge, self._settings = emulator, data, judge, settings

    def compare(self, trial: Trial) -> EmulatedAnswers:
        """Both sets of answers, scored; a failure is a row with its reason."""
        try:
            return self._compared(trial)
        except UnsupportedError as unsupported:
            return self._row(trial, status="skipped", reason=str(unsupported))
        except ChildFailedError as failure:
            reason = f"on the emulated {self._emulator.cpu}: {failure.reason}{self._hint(failure)}"
            return self._row(trial, status="failed", reason=reason, stderr_tail=failure.stderr_tail or None)
        except DataError as error:
            return self._row(trial, status="failed", reason=str(error))

    def _compared(self, trial: Trial) -> EmulatedAnswers:
        found: list[Answers] = []
        try:
            emulated, samples = self._answers(trial, self._emulator.launcher, self._data.samples)
            found.append(emulated)
            native, _ = self._answers(trial, (), samples)
            found.append(native)
            judge = self._judge.first(samples)
            scored = [judge.evaluate(each.outputs, trial.artifact) for each in (native, emulated)]
            apart = _apart(trial, native, emulated, judge)
            return self._row(trial, status="ok", samples=samples, scored=scored, apart=apart)
        finally:
            for each in found:
                each.drop()

    def _answers(self, trial: Trial, launcher: Sequence[str], samples: int) -> tuple[Answers, int]:
        """Answers to the first samples, as many as there is time for, and how many that are."""
        case, feeding = trial.case, trial.feeding
        limits = limits_for(trial.artifact, self._settings.limits)
        if launcher:
            limits = dataclasses.replace(limits, timeout_s=SLOWER * limits.timeout_s, memory_limit_bytes=0)
        with CaseWorker(case.scenario.threads, limits, case.python, launcher=launcher) as worker:
            worker.start_import(case.runtime)
            worker.finish_import()
            options = case.scenario.session_options(feeding.dimensions)
            worker.load(
                trial.artifact,
                dataclasses.replace(options, runtime_options={**options.runtime_options, **trial.options}),
            )
            worker.feed(feeding.inputs(self._data.first()), case.scenario.batch_size, self._settings.seed)
            worker.first_inference()
            call_ns = int(median(worker.time(_TRIAL_CALLS, 0).latency_ns))
            if launcher:
                affordable = int(ANSWERING_S / (call_ns / 1e9) * case.scenario.batch_size)
                samples = min(samples, max(FEWEST_SAMPLES, affordable))
            data = self._data.part(samples)
            return collect_answers(worker, feeding, data, case.scenario.batch_size, call_ns), samples

    def _hint(self, failure: ChildFailedError) -> str:
        said = f"{failure.reason}\n{failure.stderr_tail}".lower()
        if not any(sign.lower() in said for sign in _ILLEGAL):
            return ""
        return f"; {self._emulator.name} does not know an instruction that this runtime uses"

    def _row(
        self,
        trial: Trial,
        *,
        status: str,
        reason: str | None = None,
        stderr_tail: str | None = None,
        samples: int = 0,
        scored: Sequence[Evaluation] = (),
        apart: Distance | None = None,
    ) -> EmulatedAnswers:
        is_known = apart is not None and apart.agreement is not None
        return EmulatedAnswers(
            case=trial.owner,
            cpu=self._emulator.cpu,
            emulator=self._emulator.name,
            status="ok" if status == "ok" else "skipped" if status == "skipped" else "failed",
            cure=trial.cure,
            variant=trial.case.label,
            runtime=trial.case.runtime,
            reason=reason,
            stderr_tail=stderr_tail,
            samples=samples,
            native=scored[0] if scored else None,
            emulated=scored[1] if scored else None,
            flips=round((1 - (apart.agreement or 0.0)) * samples) if apart is not None and is_known else None,
            max_steps=None if apart is None else apart.max_steps,
            relative=None if apart is None else apart.relative,
        )


def _apart(trial: Trial, native: Answers, emulated: Answers, judge: Judge) -> Distance | None:
    """How far the two are apart; None where their outputs cannot be compared."""
    both = [case_outputs(trial.case, trial.artifact, each.outputs, judge) for each in (native, emulated)]
    known = [each for each in both if each is not None]
    if len(known) < 2:
        return None
    named = [dataclasses.replace(each, case=name) for each, name in zip(known, ("native", "emulated"), strict=True)]
    return next(iter(distances(named)), None)
