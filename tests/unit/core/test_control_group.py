"""Limits of control groups, from made-up files as containers and services see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossrt.core.control_group import Limit, cpu_limit, cpu_quotas, memory_limit

GIB = 2**30
UNLIMITED_V1 = "9223372036854771712"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.fixture
def machine(tmp_path):
    """Writes `/proc/self/cgroup`, `/proc/self/mountinfo` and files below `/sys/fs/cgroup`; returns their root."""

    def write(group: str, mounts: str, **files: str) -> Path:
        written = {"proc/self/cgroup": group, "proc/self/mountinfo": mounts}
        written |= {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
        for name, text in written.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")
        return tmp_path

    return write


def slices(**changes: str) -> dict[str, str]:
    """A service in nested slices, version 2: the root has no limits of its own."""
    files = {"cgroup.controllers": "cpu memory pids"}
    for group in ("user.slice", "user.slice/app.slice", "user.slice/app.slice/bench.service"):
        files |= {f"{group}/cgroup.events": "populated 1", f"{group}/cpu.max": "max 100000"}
        files |= {f"{group}/memory.max": "max", f"{group}/memory.high": "max", f"{group}/memory.current": f"{GIB}"}
    return files | changes


SERVICE = "0::/user.slice/app.slice/bench.service"


@pytest.mark.parametrize("group", ["user.slice", "user.slice/app.slice", "user.slice/app.slice/bench.service"])
def test_a_limit_counts_wherever_on_the_path_it_is_set(machine, group):
    root = machine(SERVICE, V2, **slices(**{f"{group}/cpu.max": "150000 100000", f"{group}/memory.max": f"{4 * GIB}"}))
    assert cpu_limit(root) == Limit(smallest=1.5, is_known=True, is_whole=True)
    assert memory_limit(root) == Limit(smallest=4 * GIB, is_known=True, is_whole=True, left=3 * GIB)


def test_the_smallest_of_several_limits_counts(machine):
    limits = {"user.slice/cpu.max": "50000 100000", "user.slice/app.slice/cpu.max": "400000 200000"}
    memory = {"user.slice/memory.max": f"{8 * GIB}", "user.slice/app.slice/memory.high": f"{2 * GIB}"}
    root = machine(SERVICE, V2, **slices(**limits, **memory))
    assert cpu_limit(root).smallest == 0.5
    assert memory_limit(root).smallest == 2 * GIB


def test_no_limit_on_the_whole_path_is_none(machine):
    root = machine(SERVICE, V2, **slices())
    assert cpu_limit(root) == memory_limit(root) == Limit(smallest=None, is_known=True, is_whole=True)


def test_a_machine_without_groups_in_use_has_no_limit(machine):
    root = machine("0::/", V2, **{"cgroup.controllers": "cpuset cpu memory"})
    assert cpu_limit(root) == Limit(smallest=None, is_known=True, is_whole=True)


def test_groups_that_share_no_processor_time_out_have_no_limit_of_it(machine):
    files = {name: text for name, text in slices().items() if not name.endswith("cpu.max")}
    assert cpu_limit(machine(SERVICE, V2, **files)) == Limit(smallest=None, is_known=True, is_whole=True)


def test_cached_files_of_a_group_can_be_given_up(machine):
    group = "user.slice/app.slice/bench.service"
    files = {f"{group}/memory.max": f"{2 * GIB}", f"{group}/memory.stat": f"anon 5\ninactive_file {GIB // 2}"}
    assert memory_limit(machine(SERVICE, V2, **slices(**files))).left == 1.5 * GIB


def test_a_pod_of_kubernetes_is_limited_above_its_container(machine):
    pod = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod42.slice"
    files = {
        "cgroup.controllers": "cpu memory",
        f"{pod}/cgroup.events": "populated 1",
        f"{pod}/cpu.max": "200000 100000",
    }
    container = f"{pod}/cri-containerd-7.scope"
    root = machine(f"0::/{container}", V2, **files, **{f"{container}/cpu.max": "max 100000"})
    assert cpu_limit(root).smallest == 2.0


def test_a_namespace_of_its_own_hides_the_path_but_not_the_limit(machine):
    own = {"cgroup.controllers": "cpu memory", "cgroup.events": "populated 1", "memory.current": "0"}
    root = machine("0::/", V2, **own, **{"cpu.max": "50000 100000", "memory.max": f"{GIB}"})
    assert cpu_limit(root) == Limit(smallest=0.5, is_known=True, is_whole=False)
    assert memory_limit(root).smallest == GIB


def test_what_a_namespace_hides_is_not_called_free(machine):
    own = {"cgroup.controllers": "memory", "cgroup.events": "populated 1"}
    unshared = cpu_limit(machine("0::/", V2, **own))
    assert not unshared.is_known
    seen = cpu_limit(machine("0::/", V2, **own, **{"cpu.max": "max 100000"}))
    assert (seen.smallest, seen.is_known, seen.is_whole) == (None, True, False)


DOCKER_V1 = (
    "11:memory:/docker/4f\n4:cpu,cpuacct:/docker/4f\n1:name=systemd:/docker/4f\n0::/system.slice/containerd.service"
)
DOCKER_V1_MOUNTS = (
    "40 39 0:33 /docker/4f /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:13 - cgroup cgroup rw,cpu,cpuacct\n"
    "41 39 0:34 /docker/4f /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
)


def test_docker_on_version_1_shows_only_the_container(machine):
    cpu = {"cpu,cpuacct/cpu.cfs_quota_us": "150000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    memory = {"memory/memory.limit_in_bytes": f"{2 * GIB}", "memory/memory.usage_in_bytes": f"{GIB}"}
    root = machine(DOCKER_V1, DOCKER_V1_MOUNTS, **cpu, **memory)
    assert cpu_limit(root) == Limit(smallest=1.5, is_known=True, is_whole=False)
    assert memory_limit(root) == Limit(smallest=2 * GIB, is_known=True, is_whole=False, left=GIB)


def test_version_1_tells_of_memory_limits_that_are_hidden(machine):
    files = {"memory/memory.limit_in_bytes": UNLIMITED_V1, "memory/memory.stat": f"hierarchical_memory_limit {GIB}"}
    root = machine(DOCKER_V1, DOCKER_V1_MOUNTS, **files)
    assert memory_limit(root).smallest == GIB


def test_groups_of_version_1_are_looked_at_up_to_the_root(machine):
    mounts = "40 39 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    files = {"cpu/release_agent": "", "cpu/cpu.cfs_quota_us": "-1"}
    files |= {"cpu/batch/cpu.cfs_quota_us": "25000", "cpu/batch/cpu.cfs_period_us": "50000"}
    files |= {"cpu/batch/job/cpu.cfs_quota_us": "-1"}
    assert cpu_limit(machine("3:cpu:/batch/job", mounts, **files)).smallest == 0.5
    assert cpu_limit(machine("3:cpu:/", mounts, **files)) == Limit(smallest=None, is_known=True, is_whole=True)


def test_both_versions_at_once_are_told_apart(machine):
    """systemd's hybrid layout: version 2 is mounted, but has no controllers."""
    mounts = (
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "40 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    )
    files = {"cpu/jobs/cpu.cfs_quota_us": "100000", "cpu/jobs/cpu.cfs_period_us": "100000", "cpu/release_agent": ""}
    files |= {"unified/cgroup.controllers": ""}
    root = machine("3:cpu:/jobs\n0::/user.slice", mounts, **files)
    assert cpu_limit(root).smallest == 1.0
    assert not memory_limit(root).is_known


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("max", Limit(smallest=None, is_known=True, is_whole=True)),
        ("50000", Limit(smallest=0.5, is_known=True, is_whole=True)),
        ("50000 100000 0", Limit(smallest=0.5, is_known=True, is_whole=True)),
        ("", Limit(smallest=None, is_known=False, is_whole=False)),
        ("none", Limit(smallest=None, is_known=False, is_whole=False)),
        ("50000 0", Limit(smallest=None, is_known=False, is_whole=False)),
        ("-1 100000", Limit(smallest=None, is_known=False, is_whole=False)),
        ("0.5 1", Limit(smallest=None, is_known=False, is_whole=False)),
    ],
)
def test_other_forms_of_a_quota_are_understood_or_unknown(machine, text, limit):
    assert cpu_limit(machine(SERVICE, V2, **slices(**{"user.slice/cpu.max": text}))) == limit


@pytest.mark.parametrize(
    ("group", "mounts"),
    [
        ("", ""),
        ("nonsense", "nonsense - x"),
        ("0::/", ""),
        ("0::/../other", V2),
        ("0::/", V2.replace(" / ", " /../.. ")),
        (SERVICE, "30 23 0:26 /kubepods /sys/fs/cgroup rw - cgroup2 cgroup2 rw"),
        (f"{SERVICE} (deleted)", V2),
    ],
)
def test_a_group_that_cannot_be_found_has_unknown_limits(machine, group, mounts):
    root = machine(group, mounts, **{"cgroup.controllers": "cpu memory", "cpu.max": "max 100000"})
    assert not cpu_limit(root).is_known


def test_a_machine_that_tells_nothing_has_unknown_limits(tmp_path):
    assert not cpu_limit(tmp_path).is_known
    assert not memory_limit(tmp_path).is_known


def test_mounts_with_spaces_in_their_names_are_found(machine):
    mounts = V2.replace("/sys/fs/cgroup", r"/sys/fs/cgroup/all\040groups")
    files = {f"all groups/{name}": text for name, text in slices(**{"user.slice/cpu.max": "100000 50000"}).items()}
    assert cpu_limit(machine(SERVICE, mounts, **files)).smallest == 2.0


def test_every_quota_up_to_the_root_is_told(machine):
    root = machine(SERVICE, V2, **slices(**{"user.slice/cpu.max": "400000 100000", f"{SERVICE[4:]}/cpu.max": "150000"}))
    assert cpu_quotas(root) == (1.5, 4.0)
    assert cpu_limit(root).smallest == 1.5


def test_no_quota_is_told_apart_from_one_that_cannot_be_read(machine, tmp_path):
    assert cpu_quotas(tmp_path) is None
    assert cpu_quotas(machine(SERVICE, V2, **slices())) == ()


def test_quotas_of_version_1_count_as_well(machine):
    mounts = "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    quotas = {"cpu/docker/cpu.cfs_quota_us": "200000", "cpu/docker/one/cpu.cfs_quota_us": "50000"}
    periods = {name.replace("quota", "period"): "100000" for name in quotas}
    root = machine("4:cpu,cpuacct:/docker/one", mounts, **quotas, **periods, **{"cpu/cpu.cfs_quota_us": "-1"})
    assert cpu_quotas(root) == (0.5, 2.0)
