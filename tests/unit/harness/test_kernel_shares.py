"""Where the time of a call goes, by kind of kernel."""

from __future__ import annotations

from crossrt.harness.analyze.kernel_shares import shares_of
from crossrt.runtimes.kernels import Kernel, Profile


def kernel(kind, duration_ns):
    return Kernel(operator="X", name="x", kind=kind, dtype="uint8", duration_ns=duration_ns)


def test_shares_are_of_the_time_of_all_kernels():
    found = shares_of(Profile(kernels=(kernel("integer", 60.0), kernel("integer", 15.0), kernel("layout", 25.2))))
    assert (found.kernels_ns, found.float, found.hybrid, found.conversion) == (100, 0, 0, 0)
    assert round(found.integer, 3) == 0.749
    assert round(found.integer + found.layout, 12) == 1


def test_without_times_there_are_no_shares():
    assert shares_of(Profile(kernels=(kernel("integer", None),))) is None
    assert shares_of(Profile(kernels=())) is None
