"""A machine that shows counters and power meters, and a `perf` that counts for it."""

import stat
import sys

import pytest

FAKE_PERF = """#!{python}
import os, re, signal, sys
arguments = sys.argv[1:]
after = lambda name: arguments[arguments.index(name) + 1]
told, answering = map(int, re.fullmatch(r"fd:(\\d+),(\\d+)", after("--control")).groups())
fault = os.environ.get("FAKE_PERF", "")
if fault == "refused":
    print("Error:\\nAccess to performance monitoring and observability operations is limited.", file=sys.stderr)
    sys.exit(255)
assert after("-D") == "-1" and os.path.exists("/proc/" + after("-p"))
heard = []
def end(*_):
    assert heard == ["enable", "disable"], heard
    values = {{"instructions": 9_000_000, "cycles": 3_000_000, "cache-misses": 90}}
    with open(after("-o"), "w") as output:
        for event in after("-e").split(","):
            value = "<not supported>" if event in fault else values[event]
            output.write(f"{{value}};;{{event}}{{':u' if 'user' in fault else ''}};1;100.00;;\\n")
    sys.exit(0)
signal.signal(signal.SIGINT, end)
while line := os.read(told, 64).decode().strip():
    heard.append(line)
    os.write(answering, b"ack\\n")
"""


@pytest.fixture
def machine(tmp_path):
    """A system that shows nothing; `counters()` and `meter(number, energy)` add what a real machine has."""
    root = tmp_path / "system"
    root.mkdir()

    class Machine:
        path = root

        def counters(self, paranoid=2):
            (root / "sys/bus/event_source/devices/cpu").mkdir(parents=True, exist_ok=True)
            (root / "proc/sys/kernel").mkdir(parents=True, exist_ok=True)
            (root / "proc/sys/kernel/perf_event_paranoid").write_text(f"{paranoid}\n")

        def meter(self, number, energy_uj=None, name=None):
            folder = root / f"sys/class/powercap/intel-rapl:{number}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "name").write_text(f"{name or f'package-{number}'}\n")
            (folder / "max_energy_range_uj").write_text("10000\n")
            if energy_uj is not None:
                (folder / "energy_uj").write_text(f"{energy_uj}\n")

    return Machine()


@pytest.fixture
def perf(tmp_path, monkeypatch):
    """Puts a `perf` on the path that counts the same for every process; `perf(fault)` makes it behave otherwise."""
    folder = tmp_path / "bin"
    folder.mkdir()
    file = folder / "perf"
    file.write_text(FAKE_PERF.format(python=sys.executable))
    file.chmod(file.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(folder))
    return lambda fault: monkeypatch.setenv("FAKE_PERF", fault)
