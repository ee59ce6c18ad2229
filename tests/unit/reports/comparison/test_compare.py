from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from crossrt.core.evaluation import Packed
from crossrt.core.metric import MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Control, KernelCounts
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.comparison.rules import parse_rule


def compared(baseline, current, **question):
    return compare_reports(baseline, current, Question(**question))


def finding(comparison, metric="latency_p50_ns"):
    (found,) = [each for each in comparison.findings if each.metric == metric]
    return found


def changed(report, **environment):
    return msgspec.structs.replace(report, environment=msgspec.structs.replace(report.environment, **environment))


def slowed(blocks, factor):
    return tuple(tuple(int(ns * factor) for ns in block) for block in blocks)


def on_data(report, **data):
    return msgspec.structs.replace(report, data=msgspec.structs.replace(report.data, **data))


def test_two_honest_runs_are_the_same(make_run):
    found = compared(make_run(seed=1), make_run(seed=2))
    assert found.exit_code == 0
    assert {each.verdict for each in found.findings} == {"same"}


def test_an_injected_regression_is_found_and_sorted_first(make_run):
    found = compared(
        make_run("fp32@ort-cpu", "int8@tflite", seed=1), make_run("fp32@ort-cpu", "int8@tflite", slower=1.2)
    )
    assert found.exit_code == 1
    assert [each.metric for each in found.findings[:2]] == ["latency_p50_ns"] * 2
    assert found.findings[0].word == "slower"
    assert found.findings[0].lower > 0.05


def test_an_improvement_is_no_regression(make_run):
    found = finding(compared(make_run(slower=1.2), make_run()))
    assert (found.verdict, found.word, found.is_regression) == ("better", "faster", False)


def test_a_change_about_as_large_as_the_margin_is_inconclusive(make_run):
    assert finding(compared(make_run(seed=1), make_run(slower=1.05, seed=2))).verdict == "inconclusive"


def test_a_machine_that_is_slower_today_is_not_a_regression_where_the_reference_workload_says_so(make_run):
    before, after = make_run(seed=1), make_run(seed=2, machine=1.2)
    related = compared(before, after)
    plain = compared(make_run(reference=False), make_run(machine=1.2, reference=False))
    assert finding(related).verdict == "same"
    said = r"the reference workload, the same in every run, took (19|20)\.\d% more time than in the baseline"
    assert any(re.search(said, note) for note in related.notes)
    assert finding(plain).verdict == "worse"
    assert any("a report has no reference workload" in line for line in plain.method)


def test_a_reference_workload_that_varies_more_than_the_case_is_not_used(make_run):
    unsteady = []
    for seed in (1, 2):
        report = make_run(seed=seed)
        random = np.random.default_rng(seed)
        rounds = tuple(
            msgspec.structs.replace(each, blocks_ns=slowed(each.blocks_ns, factor))
            for each, factor in zip(report.controls[0].rounds, random.lognormal(0, 0.2, 10), strict=True)
        )
        unsteady.append(
            msgspec.structs.replace(report, controls=(msgspec.structs.replace(report.controls[0], rounds=rounds),))
        )
    found = compared(*unsteady)
    assert any("latency_p50_ns: time itself" in line for line in found.method)
    assert finding(found).verdict in ("same", "inconclusive")


def test_the_latency_beside_a_change_is_the_one_that_every_table_prints(make_run):
    """Where some blocks of each round were disturbed, what is judged is another number."""
    before, after = make_run(seed=1), make_run(seed=2)
    found = finding(compared(before, after))
    printed = [next(m.value for m in each.metrics if m.name == "latency_p50_ns") for each in (before, after)]
    assert [found.baseline, found.current] == printed
    assert (found.label, found.unit) == ("p50", "ns")


def test_history_tells_the_spread_between_runs(make_run):
    random = np.random.default_rng(0)
    history = [make_run(seed=seed, slower=float(random.lognormal(0, 0.10))) for seed in range(10, 18)]
    before, after = make_run(seed=1), make_run(seed=2, slower=1.15)
    assert finding(compared(before, after)).verdict == "worse"
    widened = compared(before, after, history=history)
    assert finding(widened).verdict == "inconclusive"
    assert any("over 8 earlier runs" in line for line in widened.method)


def test_too_short_a_history_says_nothing(make_run):
    found = compared(make_run(seed=1), make_run(seed=2), history=[make_run(seed=3)])
    assert any("holds 1 other comparable runs, 4 are needed" in note for note in found.notes)


def test_the_compared_runs_are_no_history_of_themselves(make_run):
    before, after = make_run(seed=1), make_run(seed=2)
    found = compared(before, after, history=[before, after, before, after, before])
    assert any("holds 0 other comparable runs" in note for note in found.notes)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("cpu_model", "another", "CPU model"),
        ("usable_cpus", (0, 1, 2, 3), "usable CPUs"),
        ("cpu_quota", 0.5, "CPU quota (none | 0.5)"),
        ("cpu_quota", "unknown", "CPU quota (none | unknown)"),
        ("thread_variables", {"OMP_NUM_THREADS": "8"}, "thread settings"),
        ("governor", "powersave", "frequency governor"),
    ],
)
def test_times_of_another_machine_are_not_judged_but_size_and_accuracy_are(make_run, field, value, name):
    found = compared(make_run(), changed(make_run(slower=2.0), **{field: value}))
    assert {each.metric for each in found.findings} == {"size_bytes", "top1", "agreement"}
    assert found.exit_code == 0
    assert f"differ in {name}" in found.incomparable[0]


def test_accuracy_on_other_data_is_not_judged(make_run):
    found = compared(make_run(), on_data(make_run(), fingerprint="f" * 64))
    assert not {"top1", "agreement"} & {each.metric for each in found.findings}
    assert "data set" in found.incomparable[0]


def test_other_software_is_noted_and_judged(make_run):
    other = changed(make_run(), packages={"runtime ort-cpu": "9.9"})
    found = compared(make_run(), other)
    assert any("runtime ort-cpu" in note and "9.9" in note for note in found.notes)
    assert finding(found)


def test_reports_without_a_common_case_have_nothing_to_compare(make_run):
    found = compared(make_run("fp32@ort-cpu"), make_run("int8@tflite"), only=["int8"])
    assert found.exit_code == 3
    assert "no case is in both reports" in found.incomparable


def test_a_case_that_vanished_is_a_finding(make_run):
    found = compared(make_run("fp32@ort-cpu", "int8@tflite"), make_run("fp32@ort-cpu"))
    assert found.exit_code == 1
    assert (found.findings[0].metric, found.findings[0].word) == ("status", "vanished")


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_case_that_was_not_measured_before_has_not_vanished(make_run, make_result, status):
    before = make_run("fp32@ort-cpu")
    broken = make_result("int8@tflite", status=status, reason="crashed", rounds=(), evaluation=None)
    before = msgspec.structs.replace(before, results=(*before.results, broken))
    found = compared(before, make_run("fp32@ort-cpu"))
    assert found.exit_code == 0
    assert "not measured in the baseline either, and not in the current report: int8@tflite" in found.notes


@pytest.mark.parametrize("only", [[], ["int8"], ["fp32"]])
def test_nothing_vanishes_between_reports_of_different_cases(make_run, only):
    found = compared(make_run("fp32@ort-cpu", "int8@ort-cpu"), make_run("float@tflite"), only=only)
    assert (found.exit_code, found.outcome, found.findings) == (3, "incomparable", ())


def test_a_chosen_case_that_vanished_is_a_finding_where_others_are_common(make_run):
    found = compared(make_run("fp32@ort-cpu", "int8@tflite"), make_run("fp32@ort-cpu"), only=["int8"])
    assert (found.exit_code, found.findings[0].word) == (1, "vanished")


def test_a_new_case_is_noted(make_run):
    found = compared(make_run("fp32@ort-cpu"), make_run("fp32@ort-cpu", "int8@tflite"))
    assert found.exit_code == 0
    assert any("new, and not judged" in note for note in found.notes)


def test_a_renamed_case_is_recognised_by_its_file(make_run, sample):
    before, after = make_run("fp32@ort-cpu"), make_run("float@ort-cpu", slower=1.3)
    after = msgspec.structs.replace(
        after,
        artifacts=tuple(msgspec.structs.replace(each, sha256=before.artifacts[0].sha256) for each in after.artifacts),
    )
    found = compared(before, after)
    assert any("is now called mnist-cnn.float@ort-cpu/b1/t1" in note for note in found.notes)
    assert finding(found).verdict == "worse"


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_case_that_no_longer_runs_is_a_regression(make_run, status):
    broken = make_run(status=status, reason="crashed", rounds=0)
    found = compared(make_run(), broken)
    assert found.exit_code == 1
    assert (found.findings[0].word, found.findings[0].detail) == (status, "crashed")


def test_a_case_that_works_again_is_an_improvement(make_run):
    found = compared(make_run(status="failed", reason="crashed", rounds=0), make_run())
    assert (found.findings[0].verdict, found.exit_code) == ("better", 0)


def test_accuracy_is_judged_sample_by_sample(make_run, make_evaluation):
    found = finding(
        compared(make_run(evaluation=make_evaluation(wrong=2)), make_run(evaluation=make_evaluation(wrong=22))), "top1"
    )
    assert (found.verdict, found.word) == ("worse", "less accurate")
    assert found.change == pytest.approx(-0.1)
    assert "20 samples broken, 0 fixed" in found.detail


def test_a_few_flips_prove_nothing(make_run, make_evaluation):
    found = finding(
        compared(make_run(evaluation=make_evaluation(wrong=2)), make_run(evaluation=make_evaluation(wrong=4))), "top1"
    )
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize(("same_file", "verdict"), [(True, "same"), (False, "inconclusive")])
def test_no_flip_among_few_samples_is_certain_only_for_the_same_file(make_run, make_evaluation, same_file, verdict):
    current = make_run(evaluation=make_evaluation())
    if not same_file:
        artifact = msgspec.structs.replace(current.artifacts[0], sha256="a" * 64)
        current = msgspec.structs.replace(current, artifacts=(artifact,))
    found = finding(compared(make_run(evaluation=make_evaluation()), current), "top1")
    assert (found.verdict, found.change) == (verdict, 0)
    assert found.lower < -0.01
    assert found.upper > 0.01


def test_reports_that_do_not_hold_single_samples_are_judged_by_the_plain_change(make_run, make_evaluation):
    old = msgspec.structs.replace(make_evaluation(wrong=2), per_sample={})
    found = finding(compared(make_run(evaluation=old), make_run(evaluation=make_evaluation(wrong=22))), "top1")
    assert (found.verdict, found.lower) == ("worse", None)


def test_size_is_judged_exactly(make_run):
    before, after = make_run(), make_run()
    metrics = tuple(
        msgspec.structs.replace(each, value=each.value * 1.02) if each.name == "size_bytes" else each
        for each in after.metrics
    )
    found = finding(compared(before, msgspec.structs.replace(after, metrics=metrics)), "size_bytes")
    assert (found.verdict, found.word) == ("worse", "larger")


def test_margins_apply_by_metric_and_case(make_run):
    before, after = make_run("fp32@ort-cpu", "int8@tflite"), make_run("fp32@ort-cpu", "int8@tflite", slower=1.2)
    rules = (parse_rule("int8*:latency_p50_ns=40%"),)
    found = compared(before, after, rules=rules)
    assert [each.case for each in found.regressions] == ["mnist-cnn.fp32@ort-cpu/b1/t1"]


def test_a_metric_that_is_off_is_not_judged(make_run):
    found = compared(make_run(), make_run(slower=2), rules=(parse_rule("latency_*=off"),))
    assert "latency_p50_ns" not in {each.metric for each in found.findings}


def test_a_single_round_is_inconclusive(make_run):
    found = finding(compared(make_run(rounds=1), make_run(rounds=1, slower=2)))
    assert (found.verdict, found.lower) == ("inconclusive", None)


def test_shared_rounds_are_paired(make_run):
    before, after = make_run(seed=1, run_id="one"), make_run(seed=2, slower=1.2, run_id="one")
    shared = compared(before, after, is_paired=True)
    assert "the reports share their rounds: times are compared within them" in shared.notes
    assert finding(shared).verdict == "worse"
    assert compared(before, after) == shared
    apart = compared(before, make_run(run_id="other"), is_paired=True)
    assert any("--paired changes nothing" in note for note in apart.notes)


def test_a_report_is_the_same_as_itself(make_run):
    report = make_run("fp32@ort-cpu", "int8@tflite", rounds=3)
    assert {each.verdict for each in compared(report, report).findings} == {"same"}


def test_what_may_be_faster_and_is_not_slower_is_called_so(make_run):
    found = finding(compared(make_run(seed=1, slower=1.05), make_run(seed=2)))
    assert (found.verdict, found.word) == ("same", "not slower")


def test_short_runs_and_margins_without_a_case_are_pointed_out(make_run):
    rules = (parse_rule("no-such*:top1=off"),)
    found = compared(make_run(seed=1, rounds=3), make_run(seed=2, rounds=3), rules=rules)
    for name in ("baseline", "current report"):
        assert any(note.startswith(f"the {name} has 3 rounds: too few") for note in found.notes)
    assert "the margin for 'no-such*' fits no case" in found.notes


def test_replicates_take_part_in_a_paired_comparison(make_run):
    def with_replicate(report):
        result = report.results[0]
        replicate = Control(
            kind="replicate",
            of=result.case,
            batch_size=1,
            threads=1,
            rounds=result.rounds,
        )
        return msgspec.structs.replace(report, controls=(replicate,))

    found = compared(
        with_replicate(make_run(seed=1, run_id="one")), with_replicate(make_run(seed=2, slower=1.2, run_id="one"))
    )
    assert finding(found).change == pytest.approx(0.2, abs=0.02)


def test_equals_are_called_slower_at_most_as_often_as_promised(make_run):
    """1% for all times of a comparison together, although the truth lies at the margin here."""
    wrong = sum(
        compared(make_run(seed=2 * seed), make_run(seed=2 * seed + 1, slower=1.05)).exit_code for seed in range(60)
    )
    assert wrong <= 2


def test_what_has_no_margin_by_default_is_judged_where_one_is_asked_for(make_run):
    rules = (parse_rule("latency_p9*_ns=15%"), parse_rule("latency_mean_ns=15%"))
    found = compared(make_run(seed=1), make_run(seed=2, slower=1.6), rules=rules)
    assert {"latency_mean_ns"} <= {each.metric for each in found.findings}


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("fault", ["absent", "no rounds", "other rounds"])
def test_a_regression_is_found_where_one_report_lacks_its_reference_workload(make_run, side, fault):
    reports = [make_run(seed=1), make_run(seed=2, slower=3)]
    workload = reports[side].controls[0]
    rounds = tuple(msgspec.structs.replace(each, index=each.index + 100) for each in workload.rounds)
    controls = {
        "absent": (),
        "no rounds": (msgspec.structs.replace(workload, rounds=()),),
        "other rounds": (msgspec.structs.replace(workload, rounds=rounds),),
    }[fault]
    reports[side] = msgspec.structs.replace(reports[side], controls=controls)
    found = compared(*reports)
    assert finding(found).verdict == "worse"
    assert any("latency_p50_ns: time itself (a report has no reference workload" in line for line in found.method)


def test_a_lost_fusion_is_a_regression_on_any_machine(make_report, make_result):
    before = make_report(make_result("int8-qdq@ort-cpu", kernels=KernelCounts(integer=6, conversion=2, layout=3)))
    lost = make_report(make_result("int8-qdq@ort-cpu", kernels=KernelCounts(integer=5, float=1, conversion=4)))
    found = compared(before, changed(lost, cpu_model="another processor"))
    assert {(each.metric, each.word) for each in found.regressions} == {
        ("integer_kernels", "fewer"),
        ("float_kernels", "more"),
    }
    assert not compared(before, before).regressions


def answered(make_evaluation, *, wrong=2, other=0, **fields):
    """Answers of which `other` more of those that are wrong are another class than usual."""
    evaluation = make_evaluation(wrong=wrong)
    predictions = evaluation.predictions.unpack().copy()
    predictions[:other] = (predictions[:other] + 1) % 10
    return msgspec.structs.replace(evaluation, predictions=Packed.of(predictions), answers_sha256="a" * 64, **fields)


def of_model(report, source):
    files = tuple(msgspec.structs.replace(each, source_sha256=source) for each in report.artifacts)
    return msgspec.structs.replace(report, artifacts=files)


def test_changed_answers_are_found_although_accuracy_did_not_fall(make_run, make_evaluation):
    before = make_run(evaluation=make_evaluation(wrong=20))
    after = make_run(evaluation=answered(make_evaluation, wrong=20, other=19))
    found = compared(before, after)
    assert finding(found, "top1").change == 0
    changed_answers = finding(found, "answers")
    assert (changed_answers.verdict, changed_answers.word) == ("worse", "answers differently")
    assert "answers 19 of 200 samples (9.5%) differently than the baseline" in changed_answers.detail
    assert found.exit_code == 1


def test_changed_answers_of_another_model_are_shown_and_not_judged(make_run, make_evaluation):
    before = of_model(make_run(evaluation=make_evaluation(wrong=20)), "a")
    after = of_model(make_run(evaluation=answered(make_evaluation, wrong=20, other=19)), "b")
    found = finding(compared(before, after), "answers")
    assert (found.verdict, found.is_regression) == ("inconclusive", False)
    assert "from another model" in found.detail


def test_a_model_that_answers_otherwise_is_a_regression_where_accuracy_cannot_vouch_for_it(make_run, make_evaluation):
    """Classes swapped in the last layer may look more accurate on data that the model was never meant for."""
    before, after = make_evaluation(wrong=190), make_evaluation(wrong=150)
    found = compared(make_run(evaluation=before), of_model(make_run(evaluation=after), "e" * 64))
    assert finding(found, "top1").word == "more accurate"
    assert finding(found, "answers").verdict == "worse"
    assert "the baseline is near chance" in finding(found, "answers").detail
    assert found.exit_code == 1
    assert [each.partition(":")[0] for each in found.cautions] == ["baseline"]


def test_few_changed_answers_are_within_the_margin(make_run, make_evaluation):
    before, after = make_run(), make_run(evaluation=answered(make_evaluation, other=1))
    rules = (parse_rule("answers=5%"),)
    assert finding(compared(before, after, rules=rules), "answers").verdict == "same"
    off = compared(before, after, rules=(parse_rule("answers=off"),))
    assert "answers" not in {each.metric for each in off.findings}


def test_the_same_answers_are_no_finding(make_run):
    assert "answers" not in {each.metric for each in compared(make_run(), make_run()).findings}


@pytest.mark.parametrize("same_file", [True, False])
def test_one_file_that_answers_otherwise_on_other_instructions_is_not_judged(make_run, make_evaluation, same_file):
    before = changed(make_run(), cpu_flags=("avx2", "avx512_vnni"))
    after = make_run(evaluation=make_evaluation(wrong=30, seed=1))
    after = changed(after, cpu_flags=("avx2",))
    if not same_file:
        files = tuple(msgspec.structs.replace(each, sha256="f" * 64) for each in after.artifacts)
        after = msgspec.structs.replace(after, artifacts=files)
    found = compared(before, after)
    judged = {each.metric for each in found.findings}
    assert ("top1" in judged, "answers" in judged) == (not same_file, not same_file)
    reasons = [reason for reason in found.incomparable if "instruction sets" in reason and "the same file" in reason]
    assert len(reasons) == same_file
    assert all("without VNNI" in reason for reason in reasons)


MAE = MetricDefinition(
    name="mae",
    label="MAE",
    unit="m",
    direction="smaller_is_better",
    judged_by="samples",
    paired_test="paired-t",
    margin=0.01,
    worse="farther off",
    better="nearer",
)


def test_numbers_are_judged_relative_to_the_baseline(make_result, make_report, make_numbers):
    errors = np.random.default_rng(0).random(500) + 1
    reports = [
        make_report(make_result(evaluation=make_numbers(errors * factor)), definitions=(MAE,), task="regression")
        for factor in (1.0, 1.1)
    ]
    found = finding(compared(*reports), "mae")
    assert (found.verdict, found.word, found.change_kind) == ("worse", "farther off", "relative")
    assert found.change == pytest.approx(0.1, abs=1e-3)
    assert "paired t test over 500 samples" in found.detail
    assert finding(compared(*reports[::-1]), "mae").word == "nearer"


def test_a_margin_for_a_metric_that_is_not_there_is_refused(make_run):
    with pytest.raises(ReportError, match=r"'no_such' names no metric that can be judged; available: top1, "):
        compared(make_run(), make_run(), rules=(parse_rule("no_such=1%"),))


def test_other_dimensions_make_everything_incomparable(make_run):
    other = msgspec.structs.replace(make_run(), dimensions={"seq": 128})
    found = compared(make_run(), other)
    assert {each.metric for each in found.findings} == {"size_bytes"}
    assert all("dimensions" in reason for reason in found.incomparable)


def test_cautions_of_the_reports_come_along(make_run):
    doubtful = msgspec.structs.replace(make_run(), cautions=("the reference is near chance",))
    assert compared(make_run(), doubtful).cautions == ("current report: the reference is near chance",)


def test_changed_numbers_are_found_where_their_mean_stayed(make_result, make_report, make_numbers):
    errors = np.linspace(1, 2, 200)
    swapped = errors.copy()
    swapped[:20] = errors[:20][::-1]
    reports = [
        make_report(make_result(evaluation=make_numbers(each)), definitions=(MAE,), task="regression")
        for each in (errors, swapped)
    ]
    found = finding(compared(*reports), "answers")
    assert (found.verdict, found.change) == ("worse", pytest.approx(0.1))


def test_outputs_that_differ_by_an_unknown_amount_are_noted(make_run, make_evaluation):
    def silent(seed):
        evaluation = make_evaluation(seed=seed)
        return make_run(evaluation=msgspec.structs.replace(evaluation, predictions=None, per_sample={}))

    said = "are not bit-identical with the baseline's"
    assert any(said in note for note in compared(silent(0), silent(1)).notes)
    assert not any(said in note for note in compared(silent(0), silent(0)).notes)


def test_outcome_is_fine_only_where_everything_was_judged(make_run):
    before = make_run(seed=1)
    assert compared(before, make_run(seed=2)).outcome == "fine"
    assert compared(before, make_run(seed=2, slower=1.5)).outcome == "worse"
    assert compared(before, changed(make_run(seed=2), cpu_quota=0.5)).outcome == "incomparable"
    assert compared(before, on_data(make_run(seed=2), fingerprint="f" * 64)).outcome == "incomparable"
    assert compared(make_run("fp32@ort-cpu"), make_run("int8@tflite"), only=["int8"]).outcome == "incomparable"


def test_outcome_is_inconclusive_where_no_time_could_be_decided(make_run):
    few = [make_run(seed=seed) for seed in (1, 2)]
    one_round = [
        msgspec.structs.replace(
            report, results=tuple(msgspec.structs.replace(each, rounds=each.rounds[:1]) for each in report.results)
        )
        for report in few
    ]
    found = compared(*one_round)
    assert {each.verdict for each in found.findings if each.unit == "ns"} == {"inconclusive"}
    assert found.exit_code == 0
    assert found.outcome == "inconclusive"


def test_outcome_is_inconclusive_where_one_median_latency_is_open_and_others_are_decided(make_run, make_result):
    """Load and first inference are decided, and the other case's p50 too."""
    before, after = make_run("fp32@ort-cpu", "int8@tflite", seed=1), make_run("fp32@ort-cpu", "int8@tflite", seed=2)
    noisy = msgspec.structs.replace(
        after.results[0],
        rounds=tuple(
            msgspec.structs.replace(
                each, blocks_ns=tuple(tuple(ns * (1 + each.index % 3) for ns in block) for block in each.blocks_ns)
            )
            for each in after.results[0].rounds
        ),
    )
    found = compared(before, msgspec.structs.replace(after, results=(noisy, after.results[1])))
    medians = {each.name: each.verdict for each in found.findings if each.metric == "latency_p50_ns"}
    assert medians == {"fp32@ort-cpu": "inconclusive", "int8@tflite": "same"}
    assert (found.outcome, found.exit_code) == ("inconclusive", 0)


@pytest.mark.parametrize(("asked", "remedy"), [(10, "more --time"), (2, "more --rounds")])
def test_what_gives_more_rounds_depends_on_what_cut_them(make_run, asked, remedy):
    few = make_run(seed=1, rounds=2)
    settings = msgspec.structs.replace(few.run.settings, rounds=2, asked_rounds=asked)
    few = msgspec.structs.replace(few, run=msgspec.structs.replace(few.run, settings=settings))
    notes = [note for note in compared(make_run(seed=2), few).notes if "too few to see much" in note]
    assert len(notes) == 1
    assert f"the current report has 2 rounds: too few to see much; 6 or more, for which it takes {remedy}" in notes[0]


@pytest.mark.parametrize(("source", "metrics"), [("b" * 64, set()), ("a" * 64, {"integer_kernels", "float_kernels"})])
def test_more_kernels_of_another_model_with_more_layers_are_neither_better_nor_worse(
    make_report, make_result, source, metrics
):
    small, large = (
        make_report(make_result("int8-qdq@ort-cpu", kernels=KernelCounts(integer=integer, float=floats)))
        for integer, floats in ((2, 0), (5, 1))
    )
    found = compared(of_model(small, "a" * 64), of_model(large, source))
    assert {each.metric for each in found.findings if each.metric.endswith("_kernels")} == metrics
    assert any("kernels of int8-qdq@ort-cpu are not judged" in note for note in found.notes) == (not metrics)


def test_too_few_samples_are_noted_once_with_how_many_would_do(make_run):
    found = compared(make_run("fp32@ort-cpu", "int8@tflite"), make_run("fp32@ort-cpu", "int8@tflite", seed=1))
    notes = [note for note in found.notes if "samples are too few" in note]
    others = make_run("fp32@ort-cpu", "int8@tflite", seed=1)
    files = tuple(msgspec.structs.replace(each, sha256="9" * 63 + each.sha256[-1]) for each in others.artifacts)
    found = compared(make_run("fp32@ort-cpu", "int8@tflite"), msgspec.structs.replace(others, artifacts=files))
    assert notes == []
    (note,) = [note for note in found.notes if "samples are too few" in note]
    assert "200 samples are too few: about 5,500 without a changed answer would show it" in note


def test_that_the_reference_agrees_with_itself_is_no_finding(make_run, make_evaluation):
    evaluation = make_evaluation(wrong=0, agreeing=200)
    per_sample = {**evaluation.per_sample, "agreement": evaluation.per_sample["top1"]}
    evaluation = msgspec.structs.replace(evaluation, per_sample=per_sample)
    reports = [
        msgspec.structs.replace(
            make_run("fp32@ort-cpu", "int8@ort-cpu", seed=seed, evaluation=evaluation), reference="fp32 on ort-cpu"
        )
        for seed in (1, 2)
    ]
    found = compared(*reports)
    assert {each.name for each in found.findings if each.metric == "agreement"} == {"int8@ort-cpu"}
