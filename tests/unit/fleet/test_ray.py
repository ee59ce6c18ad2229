"""Real Ray clusters on this machine, whose lock lets one of their nodes measure at a time."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossrt.cli.main import cli
from crossrt.reports.schema.files import read_report

pytest.importorskip("ray", reason="Ray is not installed: pip install 'crossrt[ray]'")

MODEL = Path(__file__).parents[3] / "runtimes" / "conformance" / "models" / "image.fp32.onnx" / "model.onnx"
CONFIG = """[model]
path = "model.onnx"
[bench]
runtime = ["ort-cpu"]
rounds = 1
time = 5
[fleet]
arguments = ["--max-pressure=100", "--max-steal=100"]
[fleet.machines.a]
[fleet.machines.b]
"""
START = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
cluster = Cluster()
small = {"object_store_memory": 80 * 2**20}
cluster.add_node(num_cpus=0, include_dashboard=False, **small)
nodes = [cluster.add_node(num_cpus=1, resources={"crossrt-node": 1}, **small) for _ in range(int(sys.argv[1]))]
print(cluster.address, flush=True)
for line in sys.stdin:
    what, _, which = line.strip().partition(" ")
    if what == "kill":
        (node,) = [each for each in nodes if each.node_id.startswith(which)]
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1, resources={"crossrt-node": 1}, **small)
    elif what == "head":
        cluster.remove_node(cluster.head_node, allow_graceful=False)
    print("done", flush=True)
cluster.shutdown()
"""

pytestmark = pytest.mark.processes


class Cluster:
    """In a process of its own: Ray leaves files and threads behind that tests would be blamed for."""

    def __init__(self, nodes):
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(nodes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.address = self._process.stdout.readline().strip()

    def do(self, what):
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == "done"

    def stop(self):
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    if not MODEL.exists():
        pytest.skip("the sources are not beside the tests")
    monkeypatch.setenv("CROSSRT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CROSSRT_MACHINE_LOCK", str(tmp_path / "machine.lock"))
    made = []

    def make(nodes):
        made.append(Cluster(nodes))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(MODEL, folder)
    (folder / "crossrt.toml").write_text(CONFIG)
    return folder


def start(cluster, folder, *options):
    command = [sys.executable, "-m", "crossrt", "fleet", "run", "--ray", cluster.address, "--out", "out", *options]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(text, run):
    while text not in (line := run.stderr.readline()):
        assert line, f"{text!r} was never told"
    return line


def test_both_machines_are_measured_although_a_node_dies(cluster, project):
    made = cluster(2)
    run = start(made, project)
    told = wait_for("a: on node", run)
    time.sleep(2)  # its process has started
    made.do(f"kill {told.split('(')[1].split(')')[0]}")

    output, errors = run.communicate()

    assert run.returncode == 0, output + errors
    assert "died; all its cases start again" in errors
    reports = [read_report(project / "out" / name / "report.json") for name in "ab"]
    assert [each.environment.name for each in reports] == ["a", "b"]
    assert all(result.status == "ok" for each in reports for result in each.results)
    assert all(each.exclusive.aa_before and each.exclusive.aa_after for each in reports)


def test_a_head_that_vanishes_is_a_failed_row(cluster, project):
    made = cluster(1)
    run = start(made, project)
    wait_for("on node", run)
    made.do("head")

    output, _ = run.communicate()

    assert run.returncode == 1
    assert "vanished" in output


def test_an_address_without_a_head_is_one_message(project, monkeypatch):
    monkeypatch.chdir(project)

    result = CliRunner().invoke(cli, ["fleet", "run", "--ray", "127.0.0.1:1", "--out", "out"])

    assert "no Ray head answers at 127.0.0.1:1" in str(result.exception)
    assert not Path("out").exists()
