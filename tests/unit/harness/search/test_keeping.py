"""What keeps to a budget, which candidate is the best so far, and what is judged on the samples kept aside."""

from __future__ import annotations

import io
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console

from crossrt.analysis.search.budget import Budget, Drop
from crossrt.analysis.search.keeping import Keeping
from crossrt.analysis.search.plans import Plan, bases
from crossrt.analysis.search.record import Unit
from crossrt.analysis.search.result import Candidate, Confirmation, Loss, NodeSensitivity, SearchReport, Speed
from crossrt.analysis.search.sentence import is_unjudged, none_sentence
from crossrt.analysis.search.tables import candidates_sheet, confirmations_sheet, front_of, print_found
from crossrt.analysis.search.unit_names import short_names
from crossrt.core.artifact import ModelArtifact
from crossrt.datasets.tasks.classification import Classification
from crossrt.harness.errors import HarnessError
from crossrt.harness.search import confirming, enough, run
from crossrt.harness.search.confirming import Court
from crossrt.harness.search.hunt import Hunt
from crossrt.harness.search.ledger import REPORT, Ledger, read_search
from crossrt.harness.search.plot import write_plot
from crossrt.harness.search.scoring import Scorer
from crossrt.reports.text.progress import Silent

TOP1 = Classification().metrics[0]
ALLOWED = 0.01


def loss(upper: float, samples: int = 1000) -> Loss:
    return Loss(value=0.98, loss=upper / 2, upper=upper, confidence=0.975, samples=samples, changed=4)


def speed(ratio: float) -> Speed:
    return Speed(ratio=ratio, lower=ratio - 0.05, upper=ratio + 0.05, rounds=8, float_ns=1000.0)


def candidate(name: str, upper: float = 0.005, ratio: float | None = 1.5, size: int = 300, **fields) -> Candidate:
    return Candidate(
        name=name,
        recipe={"kind": name},
        sqnr_db=30.0,
        size_bytes=size,
        loss=loss(upper),
        strict_upper=fields.pop("strict_upper", 1.2 * upper),
        speed=None if ratio is None else speed(ratio),
        **fields,
    )


def keeping(**budget) -> Keeping:
    asked = Budget(drop=Drop(value=ALLOWED), **budget)
    return Keeping(budget=asked, allowed=ALLOWED, float_size_bytes=1000, is_strict=True)


def report(**fields) -> SearchReport:
    return SearchReport(
        schema_version=1,
        crossrt="0",
        status="searching",
        model="net",
        model_sha256="1" * 64,
        data="test.npz",
        data_fingerprint="2" * 64,
        calibration_fingerprint="3" * 64,
        seed=0,
        held_out=0.5,
        budget=Budget(drop=Drop(value=ALLOWED)),
        allowed=ALLOWED,
        metric=TOP1,
        float_value=0.985,
        float_size_bytes=1000,
        search_samples=1000,
        held_out_samples=1000,
        **fields,
    )


def names(candidates) -> list[str]:
    return [each.name for each in candidates]


def test_the_bound_counts_and_not_the_loss_that_was_seen():
    assert keeping().accuracy(loss(0.01))
    assert not keeping().accuracy(loss(0.0101))
    assert loss(0.0101).loss < ALLOWED


def test_finalists_are_the_fastest_first_and_what_only_just_holds_comes_last():
    found = keeping().finalists(
        [candidate("slow", ratio=1.2), candidate("fast", ratio=1.8), candidate("close", ratio=2.5, strict_upper=0.02)]
    )
    assert names(found) == ["fast", "slow", "close"]


def test_among_equally_fast_files_the_one_with_fewer_layers_in_float_comes_first():
    found = keeping().finalists(
        [candidate("two", ratio=1.62, float_units=("a", "b")), candidate("one", ratio=1.6, float_units=("a",))]
    )
    assert names(found) == ["one", "two"]


@pytest.mark.parametrize(
    "outside",
    [
        candidate("loses", upper=0.02),
        candidate("large", size=600),
        candidate("slow", ratio=1.19),
        candidate("not timed", ratio=None),
        candidate("failed", problem="it hung"),
    ],
    ids=lambda each: each.name,
)
def test_what_misses_the_budget_is_no_finalist(outside):
    assert keeping(min_speedup=1.2, max_size=0.5).finalists([outside]) == []


def test_a_file_whose_speed_is_not_sure_is_confirmed_after_those_that_are():
    found = keeping(min_speedup=1.2).finalists([candidate("unsure", ratio=1.24), candidate("sure", ratio=1.26)])
    assert names(found) == ["sure", "unsure"]


def test_a_file_known_to_be_slower_than_float_is_not_saved_unless_it_may_be():
    slow = candidate("slow", ratio=0.9)
    assert keeping().best([slow]) is None
    assert keeping(min_speedup=None).best([slow]) is slow


def test_the_saved_file_is_replaced_by_a_better_one_and_removed_when_it_is_slower(tmp_path, artifact):
    book = Ledger(report(), keeping(), tmp_path, 0.0)
    book.add(candidate("worse", upper=0.02, ratio=None), artifact(tmp_path, b"worse"))
    saved = tmp_path / "net.best.onnx"
    assert saved.read_bytes() == b"worse"
    book.add(candidate("better", ratio=None), artifact(tmp_path, b"better"))
    book.add(candidate("no better", upper=0.03, ratio=None), artifact(tmp_path, b"no better"))
    assert saved.read_bytes() == b"better"
    assert read_search(tmp_path) == book.report
    assert book.report.best == "better"
    book.drop_best()
    assert not list(tmp_path.glob("*.onnx"))
    assert not list(tmp_path.glob("*.manifest.json"))
    assert "Ship the float model" in none_sentence(book.report, book.keeping, tmp_path)


@pytest.fixture
def artifact(tmp_path_factory, make_artifact):
    """`artifact(folder, b"...")`: a file with these bytes, as a candidate's."""

    def make(_, content: bytes) -> ModelArtifact:
        return make_artifact(
            tmp_path_factory.mktemp("candidate"), content=content, model="net", variant="candidate", format="onnx"
        )

    return make


@pytest.fixture
def court(tmp_path, artifact):
    """`court({"name": upper})`: judges candidates whose bounds on the samples kept aside are these."""

    def make(uppers: dict[str, float], *candidates: Candidate, ratio: float = 1.5) -> tuple[Court, Ledger]:
        book = Ledger(report(candidates=candidates), keeping(), tmp_path, 0.0)
        files = {each.name: artifact(tmp_path, each.name.encode()) for each in candidates}
        by_hash = {file.sha256: uppers[name] for name, file in files.items()}
        trier = SimpleNamespace(file=lambda each: files[each.name], has_plan=lambda _: True, left_s=100.0)
        aside = SimpleNamespace(seconds=1.0, score=lambda file: (loss(by_hash[file.sha256]), loss(0.0)))
        watch = SimpleNamespace(time=lambda found, *_: {each.id: speed(ratio) for each in found})
        return Court(trier, aside, watch, book, Silent(), 5.0), book

    return make


def test_a_candidate_that_does_not_hold_on_other_samples_gives_way_to_the_surest_one(court, tmp_path):
    judge, book = court(
        {"first": 0.02, "second": 0.005, "surest": 0.004},
        candidate("first", ratio=2.0),
        candidate("second", ratio=1.5),
        candidate("surest", ratio=1.2, upper=0.002),
    )
    assert judge.judge(most=1) is None
    assert judge.judge(most=2).candidate == "surest"
    assert [each.passes for each in book.report.confirmations] == [False, True]
    assert (tmp_path / "net.best.onnx").read_bytes() == b"surest"


def test_the_surest_is_not_who_was_lucky_on_the_samples_of_the_search(court):
    lucky = msgspec.structs.replace(loss(0.001), loss=-0.004)  # 0.005 wide, as it changed many answers
    judge, _ = court(
        {"first": 0.02, "lucky": 0.02, "steady": 0.003},
        candidate("first", ratio=2.0),
        msgspec.structs.replace(candidate("lucky"), loss=lucky),
        candidate("steady", upper=0.004, ratio=1.2),
    )
    assert judge.judge(most=1) is None
    assert judge.judge(most=1).candidate == "steady"


def test_the_surest_is_the_one_with_the_least_noise(court):
    judge, _ = court(
        {"first": 0.02, "few changes": 0.02, "little noise": 0.003},
        candidate("first", ratio=2.0),
        candidate("few changes", upper=0.001),
        msgspec.structs.replace(candidate("little noise", upper=0.006, ratio=1.2), sqnr_db=34.0),
    )
    assert judge.judge(most=1) is None
    assert judge.judge(most=1).candidate == "little noise"


def test_the_samples_kept_aside_are_looked_at_twice_at_most(court):
    judge, book = court(
        {"a": 0.02, "b": 0.02, "c": 0.001}, candidate("a", ratio=2.0), candidate("b", ratio=1.6), candidate("c")
    )
    assert judge.judge(most=1) is None
    assert judge.judge(most=9) is None
    assert len(book.report.confirmations) == confirming.MOST_LOOKS
    assert "may lose up to 2.00 pp of top-1 on the samples kept aside (1.00 pp are allowed)" in str(
        book.report.confirmations[0].reasons
    )


def test_a_file_whose_speed_is_not_sure_in_fresh_rounds_does_not_pass(court):
    judge, book = court({"a": 0.001}, candidate("a", ratio=1.5), ratio=1.02)
    assert judge.judge(most=1) is None
    assert book.report.confirmations[0].reasons == ("its speed-up of 1.02 [0.97, 1.07] is not surely 1 or more",)


def test_samples_that_cannot_show_what_is_asked_are_refused_with_the_number_that_can():
    part = SimpleNamespace(samples=1000, metric=TOP1)
    part.least_upper = lambda alpha: Scorer.least_upper(part, alpha)
    enough.check_enough(part, 0.004, 0.5)
    with pytest.raises(
        HarnessError,
        match=r"up to 0.38 pp.*give about 8,394 samples in --data, .* part gets 4,197",
    ):
        enough.check_enough(part, 0.001, 0.5)


def test_tables_show_the_front_first_and_say_why_others_are_not_on_it(tmp_path):
    found = report(
        candidates=(
            candidate("beaten", ratio=1.2, size=400),
            candidate("fast", ratio=1.8),
            candidate("exact", upper=0.001, ratio=1.1, size=700),
            msgspec.structs.replace(candidate("noisy"), loss=None, speed=None, is_hopeless=True),
            Candidate(name="broken", recipe={}, problem="no kernel"),
        ),
        best="fast",
    )
    assert front_of(found) == {"fast", "exact"}
    rows = {row[0].text: row[-1].text for row in candidates_sheet(found).rows}
    assert list(rows) == ["fast *", "exact", "beaten", "noisy", "broken"]
    assert rows["noisy"] == "not scored: too noisy"
    assert rows["broken"] == "failed: no kernel"
    assert confirmations_sheet(found).rows == ()
    write_plot(found, tmp_path)
    assert "<svg" in (tmp_path / "search.svg").read_text()
    assert (tmp_path / "search.png").stat().st_size > 1000
    assert not (tmp_path / REPORT).exists()


def test_what_nobody_timed_is_confirmed_with_the_time_that_is_left(court):
    judge, book = court(
        {"large": 0.001, "small": 0.001},
        candidate("large", ratio=None, size=1130, upper=0.001),
        candidate("small", ratio=None, size=500),
    )
    assert judge.judge(most=2) is None
    assert book.report.confirmations == ()
    assert judge.judge(most=2, untimed=True).candidate == "small"


def test_nearest_is_what_misses_the_budget_least_and_was_timed():
    book = keeping(min_speedup=1.2, max_size=0.5)
    timed = candidate("timed", upper=0.012, ratio=1.3)
    others = [candidate("large", size=1130, ratio=None), candidate("slow", ratio=0.7), candidate("bad", upper=0.05)]
    assert book.nearest([*others, timed]) is timed
    assert book.violation(timed) == pytest.approx(0.2)
    assert book.nearest([]) is None


def test_that_all_timed_files_are_slower_than_float_is_the_result_that_is_told(tmp_path):
    found = report(
        candidates=(candidate("a", ratio=0.8), candidate("b", ratio=0.7), candidate("large", ratio=None)), best="large"
    )
    said = none_sentence(found, keeping(), tmp_path)
    assert "all 2 files that were timed are slower than float on this machine, at best a, 0.80x" in said
    assert "one more that keeps to the loss was not timed" in said


def test_a_file_that_was_timed_when_it_was_confirmed_was_timed(tmp_path):
    found = report(
        candidates=(candidate("a", ratio=0.8), candidate("late", ratio=None)),
        confirmations=(Confirmation(candidate="late", loss=loss(0.005), speed=speed(0.9), passes=False),),
        best="late",
    )
    said = none_sentence(found, keeping(), tmp_path)
    assert "all 2 files that were timed are slower than float on this machine, at best late, 0.90x" in said
    assert "not timed" not in said


def test_units_are_named_by_what_sets_them_apart():
    names = ["/net/fc/MatMul/MatMulAddFusion", "/net/fc_2/MatMul/MatMulAddFusion", "/net/a/0/Conv", "/net/a/1/Conv"]
    assert list(short_names(names).values()) == ["fc", "fc_2", "a/0", "a/1"]
    found = candidate("static; /net/fc/MatMul/MatMulAddFusion in float", float_units=(names[0],))
    other = candidate("static; /net/fc_2/MatMul/MatMulAddFusion to x in float", float_units=(f"{names[1]} to x",))
    sheet = candidates_sheet(report(candidates=(found, other), best=found.name, file="net.best.onnx"))
    assert next(row[0].text for row in sheet.rows) == "static; net/fc in float *"
    assert sheet.footer[3] == "*: saved as net.best.onnx"
    assert sheet.footer[-1].startswith("X to Y: all units from X to Y as one")


def test_without_a_candidate_there_is_no_verdict_and_no_table(tmp_path):
    nothing = msgspec.structs.replace(report(candidates=()), status="none")
    sentence = none_sentence(nothing, keeping(), tmp_path)
    assert sentence == "No verdict: the time was over before anything was tried; give more --time."
    console = Console(width=200, record=True, file=io.StringIO())
    print_found(msgspec.structs.replace(nothing, sentence=sentence), console, draws=False)
    assert console.export_text().split("\n\n")[-1].strip() == sentence
    assert "candidate" not in console.export_text()


def test_files_that_nobody_had_time_to_score_are_not_judged(tmp_path):
    waiting = msgspec.structs.replace(candidate("a", ratio=None), loss=None, strict_upper=None)
    slow = msgspec.structs.replace(candidate("b", ratio=0.5), loss=None, strict_upper=None)
    failed = msgspec.structs.replace(waiting, name="c", problem="crashed")
    noisy = msgspec.structs.replace(waiting, name="d", is_hopeless=True)
    left = report(candidates=(waiting, slow, failed, noisy))
    assert is_unjudged(left, keeping())
    assert none_sentence(left, keeping(), tmp_path).startswith("No verdict: 3 files were built, and the time was over")
    for known in ((slow,), (failed,), (noisy,), (waiting, candidate("scored"))):
        assert not is_unjudged(report(candidates=known), keeping())
    assert "Ship the float model" in none_sentence(report(candidates=(failed, noisy)), keeping(), tmp_path)


@pytest.mark.parametrize("tensor_upper", [0.05, 0.005])
def test_few_units_get_scales_per_channel_where_all_need_not(tensor_upper):
    names = ("a", "b", "c", "bare")
    units = [Unit(name=name, op_type="Conv", nodes=(name,), weight_bytes=8 * (name != "bare")) for name in names]
    static = {plan.base: plan for plan in bases(units)}
    plans = [static["static, per channel"], static["static, per tensor"]]
    known = (candidate(plans[0].name), candidate(plans[1].name, upper=tensor_upper))
    hunt, tried = Hunt.__new__(Hunt), []
    hunt._ledger = SimpleNamespace(keeping=keeping(), report=report(candidates=known))
    hunt._display, hunt._trier, hunt._has_time = Silent(), SimpleNamespace(score_s=1.0), lambda *_: True
    hunt._sensitivities = lambda _: [
        NodeSensitivity(unit=unit, sqnr_db=0.0, noise=1 / place) for place, unit in enumerate(units, 1)
    ]
    hunt._holds = lambda plan: tried.append(plan.recipe.nodes_per_channel) or len(plan.per_channel) > 1
    hunt._mix_channels(plans)
    assert tried == ([("a",), ("a", "b")] if tensor_upper > ALLOWED else [])


def test_no_more_files_are_built_than_leave_time_to_score_one():
    hunt, built = Hunt.__new__(Hunt), []
    hunt._opened = SimpleNamespace(units=[Unit(name="a", op_type="Conv", nodes=("a",))])
    hunt._display, hunt._ledger = Silent(), SimpleNamespace(note=lambda _: None)
    hunt._trier = SimpleNamespace(
        build_s=4.0, score_s=10.0, sieve=lambda plan: built.append(plan) or candidate(plan.base)
    )
    hunt._left = lambda: 26.0 - 4.0 * len(built)
    scored = []
    hunt._score = scored.append
    hunt.try_bases()
    assert len(built) == 2
    assert [each.name for each in scored] == [plan.base for plan in built]


@pytest.mark.parametrize(("time_s", "preparing_s"), [(10, 10), (20, 20), (60, 30), (300, 120)])
def test_preparing_has_half_a_minute_or_all_the_time_there_is(time_s, preparing_s):
    assert run.preparing_s(time_s) == pytest.approx(preparing_s)


def with_noise(name: str, sqnr_db: float) -> Candidate:
    return msgspec.structs.replace(candidate(name, upper=0.008), sqnr_db=sqnr_db)


UNITS = [Unit(name=f"u{number}", op_type="Conv", nodes=(f"u{number}",)) for number in range(8)]
TOO_MUCH = Confirmation(candidate="a", loss=loss(0.02), speed=None, passes=False, reasons=("it loses",))


@pytest.fixture
def hunted(tmp_path):
    """`hunted(confirmation)`: units in float, and with 16 bits, of what a hunt adds: 1 and half a dB better each."""

    def run_hunt(*confirmed: Confirmation, **budget) -> list[tuple[int, int]]:
        book = Ledger(report(candidates=(candidate("a", upper=0.008),)), keeping(**budget), tmp_path, 0.0)
        for each in confirmed:
            book.confirm(each)
        counts = []

        def sieve(plan: Plan) -> Candidate:
            counts.append((len(plan.in_float), len(plan.wide)))
            return with_noise(plan.name, 30.0 + len(plan.in_float) + len(plan.wide) / 2)

        def score(found: Candidate) -> Candidate:
            book.add(found, None)
            return found

        trier = SimpleNamespace(sieve=sieve, score=score, score_s=1.0, left_s=100.0)
        opened = SimpleNamespace(units=UNITS)
        hunt = Hunt(None, opened, trier, None, book, Silent(), 5.0, 5.0)
        plan = next(iter(bases(UNITS)))
        hunt._grown = plan, UNITS, 1
        hunt.grow_safer([plan])
        return counts

    return run_hunt


def test_units_stay_in_float_until_a_candidate_is_safe_where_the_first_lost_too_much(hunted):
    steps = [(2, 0), (3, 0), (5, 0), (8, 0)]  # the first has 30 dB: 6 more is half the noise
    assert hunted(TOO_MUCH, min_speedup=1.0) == steps


def test_all_activations_get_16_bits_first_where_a_file_may_be_slow(hunted):
    assert hunted(TOO_MUCH, min_speedup=None) == [(0, 8), (2, 0), (3, 0), (5, 0), (8, 0)]  # 34 dB do not do


def test_nothing_safer_is_made_where_the_first_held_or_was_too_slow(hunted):
    assert hunted(msgspec.structs.replace(TOO_MUCH, loss=loss(0.001))) == []
    assert hunted() == []
