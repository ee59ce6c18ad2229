"""What a machine is, from made-up files as the kernel writes them."""

from pathlib import Path

import pytest

from crossrt.harness.doctor.resources import numa
from crossrt.harness.environment import machine_name
from crossrt.harness.errors import HarnessError
from crossrt.harness.machine import numbers_in, read_machine
from crossrt.reports.schema.machine import Machine

CPU = "sys/devices/system/cpu"


@pytest.fixture
def kernel(tmp_path):
    """Writes files below a root, and returns that."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")
        return tmp_path

    return write


def server(**changes: str) -> dict[str, str]:
    """Two sockets of two cores, SMT on, one NUMA node each; the process is bound to the second."""
    files = {
        "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu avx2\nmicrocode\t: 0x2b000603",
        "proc/self/status": "Name:\tcat\nCpus_allowed_list:\t4-7\nMems_allowed_list:\t1",
        f"{CPU}/smt/control": "on",
        f"{CPU}/intel_pstate/no_turbo": "1",
        f"{CPU}/cpu0/cpufreq/scaling_driver": "intel_pstate",
        "sys/devices/system/node/node0/cpulist": "0-3",
        "sys/devices/system/node/node1/cpulist": "4-7",
    }
    files |= {f"{CPU}/cpu{cpu}/topology/physical_package_id": str(cpu // 4) for cpu in range(8)}
    return files | changes


def test_a_server_is_read_as_it_is(kernel):
    assert read_machine(kernel(server())) == Machine(
        sockets=2,
        numa_nodes=2,
        cpuset="4-7",
        cpu_nodes="1",
        memory_nodes="1",
        smt="on",
        boost="off",
        frequency_driver="intel_pstate",
        microcode="0x2b000603",
        hypervisor="none",
    )


def test_what_the_kernel_does_not_tell_is_absent(tmp_path):
    assert read_machine(tmp_path) == Machine()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/class/dmi/id/sys_vendor": "QEMU", "sys/class/dmi/id/product_name": "QEMU"}, "QEMU"),
        ({"sys/class/dmi/id/sys_vendor": "Amazon EC2", "sys/class/dmi/id/product_name": "m7i"}, "Amazon EC2 m7i"),
        ({"sys/hypervisor/type": "xen"}, "xen"),
        ({}, "unnamed"),
    ],
)
def test_a_virtual_machine_is_named_by_its_vendor(kernel, files, expected):
    guest = {"proc/cpuinfo": "flags\t\t: fpu hypervisor avx2"}
    assert read_machine(kernel(guest | files)).hypervisor == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({f"{CPU}/smt/control": "forceoff"}, "off"),
        ({f"{CPU}/smt/control": "notsupported"}, "not supported"),
        ({f"{CPU}/cpu0/topology/thread_siblings_list": "0,64"}, "on"),
        ({f"{CPU}/cpu0/topology/thread_siblings_list": "0"}, "off"),
    ],
)
def test_smt_is_told_with_and_without_the_kernels_switch(kernel, files, expected):
    assert read_machine(kernel(files)).smt == expected


def test_boost_is_read_from_the_driver_of_other_vendors_too(kernel):
    assert read_machine(kernel({f"{CPU}/cpufreq/boost": "1"})).boost == "on"


def test_kernel_lists_are_numbers():
    assert numbers_in("0-2,8") == (0, 1, 2, 8)
    assert numbers_in("what") == numbers_in("") == ()


def test_doctor_warns_of_memory_of_another_node(kernel):
    near = numa(kernel(server()))
    assert (near.outcome, near.found) == ("ok", "2; CPUs of 1, memory of 1")
    far = numa(kernel(server(**{"proc/self/status": "Cpus_allowed_list:\t4-7\nMems_allowed_list:\t0-1"})))
    assert far.outcome == "warn"
    assert far.fix.startswith("numactl --cpunodebind=1 --membind=1")


def test_a_name_that_is_too_long_to_be_read_is_quoted_in_part(monkeypatch):
    monkeypatch.setenv("CROSSRT_MACHINE", "x" * 3000)
    with pytest.raises(HarnessError, match=r"CROSSRT_MACHINE is 'x+ \[\.\.\.\]': letters") as refused:
        machine_name()
    assert len(str(refused.value)) < 300
