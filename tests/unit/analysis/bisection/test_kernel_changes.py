"""Kernels of two versions, place by place."""

from __future__ import annotations

from crossrt.analysis.bisection.kernel_changes import kernels_of
from crossrt.analysis.bisection.record import KernelChange, Kernels
from crossrt.analysis.bisection.tables import kernel_lines
from crossrt.runtimes.kernels import Kernel, Profile


def kernel(operator, us=1.0, delegate=None, dtype="float32", name=""):
    duration = None if us is None else us * 1000
    return Kernel(
        operator=operator, name=name or operator, kind="float", dtype=dtype, delegate=delegate, duration_ns=duration
    )


def profile(*kernels):
    return Profile(kernels=kernels)


def test_the_kernel_that_changed_most_comes_first():
    before = [profile(kernel("Conv", 5), kernel("Gemm", 2))]
    after = [profile(kernel("Conv", 5.1), kernel("Gemm", 4))]
    first, second = kernels_of(before, after).changes
    assert (first.name, first.change_ns, first.is_other) == ("Gemm", 2000, False)
    assert second.name == "Conv"


def test_one_slow_profile_does_not_count():
    before = [profile(kernel("Conv", each)) for each in (5, 50, 5)]
    (only,) = kernels_of(before, [profile(kernel("Conv", 5))] * 3).changes
    assert only.change_ns == 0


def test_another_kernel_at_one_place_is_named_with_what_it_replaces():
    before = [profile(kernel("Conv"), kernel("Relu"), kernel("Gemm"))]
    after = [profile(kernel("FusedConv", 3), kernel("Gemm"))]
    first = kernels_of(before, after).changes[0]
    assert (first.before, first.after) == ("Conv (float32), Relu (float32)", "FusedConv (float32)")
    assert first.change_ns == 1000


def test_another_implementation_is_another_kernel():
    before, after = [profile(kernel("Conv", delegate="jit_avx2"))], [profile(kernel("Conv", delegate="ref_any"))]
    assert kernels_of(before, after).changes[0].is_other


def test_kernels_without_times_are_compared_by_what_they_are():
    same = [profile(kernel("CONV_2D", None, "XNNPACK"))]
    found = kernels_of(same, same)
    assert list(kernel_lines(found)) == [
        "Kernels: both versions run the same ones; this runtime does not tell how long each takes"
    ]


def changed(before, after, **found):
    change = KernelChange(before="Conv", after="Conv", name="conv1", before_ns=before, after_ns=after)
    return Kernels(changes=(change,), **found)


def test_most_of_a_change_is_blamed_on_a_kernel():
    (line,) = kernel_lines(changed(5000, 9000, change_ns=5000.0, call_ns=20_000.0))
    assert line == "Kernels: most of the change is in Conv 'conv1', 5.00 to 9.00 µs: +4.00 of the +5.00 µs of a call"


def test_a_change_that_is_in_no_kernel_is_outside_them():
    (line,) = kernel_lines(changed(5000, 5100, change_ns=5000.0, call_ns=20_000.0))
    assert line.endswith("none accounts for the +5.00 µs of a call; the change is outside them")


def test_a_profiler_that_takes_most_of_the_time_itself_is_a_caution():
    *_, line = kernel_lines(changed(5000, 9000, change_ns=500.0, call_ns=5000.0))
    assert line.startswith("CAUTION: under the profiler these kernels take 9.00 µs, and the whole call without it 5.00")
