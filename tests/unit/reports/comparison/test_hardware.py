"""Machines that differ in hardware or its limits are not compared in time, and what differs is named."""

import msgspec
import pytest

from crossrt.reports.schema.machine import Machine
from crossrt.reports.verdicts.comparison.comparable import comparability, environment_key

SERVER = Machine(
    sockets=2,
    numa_nodes=2,
    cpuset="0-7",
    cpu_nodes="0",
    memory_nodes="0",
    cpu_quotas=(2.0, 8.0),
    smt="on",
    boost="on",
    frequency_driver="acpi-cpufreq",
    microcode="0x1",
    hypervisor="none",
)


@pytest.fixture
def on(sample):
    """The same report from a machine."""

    def measured(machine: Machine | None):
        environment = msgspec.structs.replace(sample.environment, hardware=machine)
        return msgspec.structs.replace(sample, environment=environment)

    return measured


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("sockets", 1, "sockets (2 | 1)"),
        ("numa_nodes", 4, "NUMA nodes (2 | 4)"),
        ("cpuset", "0-3", "cpuset (0-7 | 0-3)"),
        ("cpu_nodes", "1", "NUMA nodes of the CPUs (0 | 1)"),
        ("memory_nodes", "0-1", "NUMA nodes of the memory (0 | 0-1)"),
        ("cpu_quotas", (), "CPU quotas of the control groups (2, 8 | none)"),
        ("smt", "off", "SMT (on | off)"),
        ("boost", "off", "turbo (on | off)"),
        ("frequency_driver", "amd-pstate", "frequency driver (acpi-cpufreq | amd-pstate)"),
        ("microcode", "0x2", "microcode (0x1 | 0x2)"),
        ("hypervisor", "QEMU", "hypervisor (none | QEMU)"),
    ],
)
def test_each_difference_is_named(on, field, value, message):
    other = msgspec.structs.replace(SERVER, **{field: value})
    assert [str(each) for each in comparability(on(SERVER), on(other)).times] == [message]
    assert environment_key(on(SERVER)) != environment_key(on(other))


def test_the_same_machine_is_comparable(on):
    assert comparability(on(SERVER), on(SERVER)).times == ()


@pytest.mark.parametrize("known", [None, Machine(), Machine(microcode="0x1")])
def test_what_an_older_report_does_not_hold_is_not_judged(on, known):
    for pair in ((on(known), on(SERVER)), (on(SERVER), on(known))):
        assert comparability(*pair).times == ()


def test_the_key_of_an_older_report_stays_what_it_was(on, sample):
    assert environment_key(on(None)) == environment_key(sample) == environment_key(on(Machine()))
