"""The quick commands in odd environments: each says something useful, and none ends in a traceback."""

from __future__ import annotations

import ctypes
import functools
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.core.control_group import cpu_limit
from crossrt.harness.doctor import examine, resources

pytestmark = pytest.mark.processes

DATA = Path(__file__).parents[2] / "data"
REPORT = DATA / "report-v1.json"
MODEL = DATA / "models" / "conv.fp32.onnx" / "model.onnx"
COMMANDS = (["--help"], ["doctor"], ["show", str(REPORT)], ["inspect", str(MODEL)], ["runtimes"])
SCRIPT = f"""
import os, pathlib, pwd, sys
from crossrt.harness import locations
from crossrt.cli.main import main
from crossrt.harness.doctor import examine
examine.OBSERVED_S = 0.05
if "HOME" not in os.environ:  # nor has this user one
    pwd.getpwuid = {{}}.__getitem__
    locations._HOMELESS = pathlib.Path("/proc/nothing")
for command in {COMMANDS!r}:
    sys.argv = ["crossrt", *command]
    code = main()
    print("exit code", code, flush=True)
"""
VARIABLES = (
    *("HOME", "XDG_CACHE_HOME", "CROSSRT_CACHE_DIR", "COLUMNS", "TERM", "NO_COLOR", "FORCE_COLOR", "LC_ALL"),
    *("PYTHONIOENCODING", "PYTHONUTF8"),
)
DROP_FROM_BOUNDING_SET, LAST_CAPABILITY, NOBODY = 24, 40, 65534


def without_privileges() -> None:
    """Takes from root what no other user has, such as writing into read-only folders; called in the child."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in range(LAST_CAPABILITY + 1):
            libc.prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)


def is_open_to_all(path: Path) -> bool:
    """True if every user can read it."""
    real = path.resolve()
    return bool(real.stat().st_mode & stat.S_IROTH) and all(each.stat().st_mode & stat.S_IXOTH for each in real.parents)


def run(cwd: Path, **variables: str | None) -> list[str]:
    """Runs the commands in one process, and returns what each wrote."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT],
        cwd=cwd,
        env={**kept, **{name: value for name, value in variables.items() if value is not None}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=without_privileges,
        start_new_session=True,
    )
    return outputs(done.stdout)


def outputs(written: bytes) -> list[str]:
    *found, rest = re.split(r"exit code (?=\d)", written.decode())
    assert len(found) == len(COMMANDS), written.decode()
    codes = [text[: len(re.match(r"\d+", text)[0])] for text in (*found[1:], rest)]
    assert codes[1] in ("0", "1"), written.decode()  # the doctor may find something
    assert codes[:1] + codes[2:] == ["0"] * 4, written.decode()
    assert "Traceback" not in written.decode()
    return found


def check(found: list[str]) -> None:
    """Each of them did what it is for."""
    for text, expected in zip(found, ("Usage: crossrt", "CPU quota", "fp32@", "image", "ort-cpu"), strict=True):
        assert expected in text


@pytest.mark.usefixtures("without_tensorflow")
@pytest.mark.parametrize("home", [None, "read-only", "/proc/nothing"])
def test_a_home_that_cannot_be_used_is_not_needed(tmp_path, home):
    (tmp_path / "read-only").mkdir(mode=0o555)
    if home == "read-only":
        home = str(tmp_path / "read-only")
    check(run(tmp_path, HOME=home))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["read-only"]
    assert list((tmp_path / "read-only").iterdir()) == []


@pytest.mark.usefixtures("without_tensorflow")
def test_an_ascii_terminal_of_60_columns_shows_whole_lines(tmp_path):
    """Without a locale Python takes UTF-8 unless it is told otherwise, as in old containers."""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    found = run(tmp_path, HOME=str(tmp_path), COLUMNS="60", **ascii_only)
    check(found)
    assert [text for text in found if not text.isascii()] == []
    assert max(len(line) for line in found[2].splitlines()) <= 60  # commands to be copied are never cut


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test is run without privileges then")
def test_another_user_than_root_can_use_an_installation_of_roots(tmp_path):
    paths = (Path(sys.executable), Path(pytest.__file__), REPORT, MODEL, DATA.parents[1] / "core" / "errors.py")
    if not all(map(is_open_to_all, paths)):
        pytest.skip("this installation is not open to other users")
    command = [sys.executable, "-P", "-c", SCRIPT]
    done = subprocess.run(
        command,
        cwd="/",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    check(outputs(done.stdout))


@pytest.mark.parametrize(("variable", "escape"), [("TERM=dumb", r"\x1b"), ("NO_COLOR=1", r"\x1b\[[0-9;]*[34][0-9]m")])
def test_terminals_that_want_no_colours_get_none(tmp_path, variable, escape):
    """In a real terminal: `TERM=dumb` takes no escape sequences at all, `NO_COLOR` no colours."""
    name, _, value = variable.partition("=")
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    parent, child = pty.openpty()
    script = "import sys; from crossrt.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", script, "show", str(REPORT)]
    environment = {**kept, "HOME": str(tmp_path), "TERM": "xterm-256color", name: value}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=child, stderr=child) as running:
        os.close(child)
        written = b"".join(iter(functools.partial(read, parent), b""))
    os.close(parent)
    assert running.returncode == 0
    assert "fp32@" in written.decode()
    assert re.search(escape, written.decode()) is None


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 2**16)
    except OSError:  # the other end is closed
        return b""


POD = "kubepods.slice/kubepods-pod42.slice"
V2, QUOTA = "cgroup2 cgroup2 rw", "200000 100000"
LAYOUTS = {
    "Kubernetes": (f"0::/{POD}/cri-containerd-7.scope", V2, {f"{POD}/cpu.max": QUOTA}),
    "a slice of systemd": ("0::/user.slice/bench.service", V2, {"user.slice/cpu.max": QUOTA}),
    "a namespace of its own": ("0::/", V2, {"cpu.max": QUOTA, "cgroup.events": ""}),
    "version 1": ("4:cpu:/", "cgroup cgroup rw,cpu", {"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000"}),
    "nothing": ("", "tmpfs tmpfs rw", {}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_doctor_finds_the_quota_of_a_container(crossrt, monkeypatch, tmp_path, layout):
    group, mounted, files = LAYOUTS[layout]
    written = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    written |= {"proc/self/cgroup": group, "proc/self/mountinfo": f"30 23 0:26 / /sys/fs/cgroup rw - {mounted}"}
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(examine, "OBSERVED_S", 0.0001)
    monkeypatch.setattr(resources, "cpu_limit", lambda: cpu_limit(tmp_path))
    (line,) = (line for line in crossrt("doctor", COLUMNS="160").stdout.splitlines() if line.startswith("CPU quota "))
    assert ("unknown  the control group cannot be read" if layout == "nothing" else "warn     2 CPUs") in line
