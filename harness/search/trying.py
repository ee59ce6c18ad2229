"""One candidate at a time: built, compared with the float outputs, and scored where that is worth the time."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Final

import msgspec

from crossrt.analysis.search.plans import Plan
from crossrt.analysis.search.result import Candidate
from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.harness.search.builder import Builder, NotBuiltError
from crossrt.harness.search.ledger import Ledger
from crossrt.harness.search.scoring import Scorer, UnscoredError

LEAST_SQNR_DB: Final = 3.0
"""A file whose output is hardly more signal than noise is not scored."""


class Trier:
    """Tries candidates, each once; files of those that may be needed again stay in the scratch folder."""

    def __init__(self, builder: Builder, part: Scorer, ledger: Ledger, deadline: float) -> None:
        """`deadline` is a moment of `time.monotonic`: the search has to be over by then."""
        self._builder, self._part, self._ledger = builder, part, ledger
        self._deadline = deadline
        self._files: dict[str, ModelArtifact] = {}
        self._plans: dict[str, Plan] = {}
        self._number = 0
        self.score_s, self.build_s = part.seconds + 1.0, 0.5

    @property
    def left_s(self) -> float:
        """How much time is left."""
        return self._deadline - time.monotonic()

    def sieve(self, plan: Plan) -> Candidate:
        """Builds a candidate and compares its outputs; it is not scored."""
        self._plans[plan.name] = plan
        recipe = plan.fields()
        if (known := self._ledger.known(recipe)) is not None:
            return known
        units = (plan.in_float, plan.wide, plan.per_channel)
        in_float, wide, per_channel = (tuple(unit.name for unit in each) for each in units)
        found = Candidate(
            name=plan.name, recipe=recipe, float_units=in_float, wide_units=wide, channel_units=per_channel
        )
        try:
            artifact, sqnr_db, is_finite = self._build(plan)
        except NotBuiltError as error:
            return self._ledger.add(msgspec.structs.replace(found, problem=str(error)), None)
        problem = None if is_finite else "an output holds NaN or infinity"
        found = msgspec.structs.replace(found, sqnr_db=sqnr_db, size_bytes=artifact.size_bytes, problem=problem)
        self._files[plan.name] = artifact
        return self._ledger.add(found, None)

    def score(self, candidate: Candidate) -> Candidate:
        """Lets a candidate answer the samples of the search, unless that was done, or cannot end well."""
        if candidate.loss is not None or candidate.problem is not None:
            return candidate
        if self._is_hopeless(candidate):
            self._forget(candidate.name)
            return self._ledger.add(msgspec.structs.replace(candidate, is_hopeless=True), None)
        began = time.monotonic()
        artifact: ModelArtifact | None = None
        try:
            artifact = self.file(candidate)
            loss, strict = self._part.score(artifact)
        except (NotBuiltError, UnscoredError) as error:
            return self._ledger.add(msgspec.structs.replace(candidate, problem=str(error)), None)
        self.score_s = max(self.score_s, time.monotonic() - began)
        scored = msgspec.structs.replace(candidate, loss=loss, strict_upper=strict.upper)
        scored = self._ledger.add(scored, artifact)
        if not self._ledger.keeping.accuracy(loss):
            self._forget(candidate.name)
        return scored

    def file(self, candidate: Candidate) -> ModelArtifact:
        """The file of a candidate, built again where it is gone; raises `NotBuiltError`."""
        if candidate.name not in self._files:
            self._files[candidate.name] = self._build(self._plans[candidate.name])[0]
        return self._files[candidate.name]

    def has_plan(self, candidate: Candidate) -> bool:
        """Whether the candidate is among those of this run."""
        return candidate.name in self._plans

    def _build(self, plan: Plan) -> tuple[ModelArtifact, float | None, bool]:
        self._number += 1
        began = time.monotonic()
        built = self._builder.build(f"candidate-{self._number}", plan.recipe, keeps=True)
        self.build_s = time.monotonic() - began  # the first ones calibrate as well
        assert built.folder is not None
        artifact = read_manifest(Path(built.folder) / ARTIFACT_MANIFEST, ModelArtifact)
        return artifact, built.sqnr_db, built.has_signal

    def _forget(self, name: str) -> None:
        if (artifact := self._files.pop(name, None)) is not None:
            shutil.rmtree(artifact.path.parent, ignore_errors=True)

    def _is_hopeless(self, candidate: Candidate) -> bool:
        """True for a ratio no better than that of a candidate which loses more than is allowed beyond doubt."""
        if candidate.sqnr_db is None:
            return False
        if candidate.sqnr_db < LEAST_SQNR_DB:
            return True
        lost = (
            each.sqnr_db
            for each in self._ledger.report.candidates
            if each.loss is not None and each.sqnr_db is not None and each.loss.loss > self._ledger.keeping.allowed
        )
        return candidate.sqnr_db <= max(lost, default=0.0)
