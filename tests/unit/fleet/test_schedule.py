"""What is done with the jobs of a fleet whatever nodes do, on a cluster that is not there."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from msgspec.structs import replace

from crossrt.fleet.errors import FleetError
from crossrt.fleet.plans.machines import read_fleet
from crossrt.fleet.running.jobs import jobs_of
from crossrt.fleet.running.kept import About, Kept
from crossrt.fleet.running.records import ClusterLostError, Ended, Found, Job, Node, Order
from crossrt.fleet.running.rows import exit_code, sheet_of
from crossrt.fleet.running.schedule import BUSY, SUSPECT_S, Patience, Schedule
from crossrt.reports.schema.exclusive import Activity, ExclusiveUse, SelfComparison
from crossrt.reports.schema.files import read_report
from crossrt.reports.text.progress import Silent

SAMPLE = Path(__file__).parents[2] / "data" / "report-v1.json"
ABOUT = About(config_sha256="0" * 64, arguments=("--quick",), crossrt_version="1")
PATIENCE = Patience(attempts=3, wait_s=60, job_s=600)
QUIET = Activity(watched_s=2, pressure=0.0, stolen=0.0)
EQUAL = SelfComparison(case="a", ratios=((0.001, 0.001), (-0.001, 0.001), (0.0, 0.001)))
APART = SelfComparison(case="a", ratios=((0.1, 0.001), (0.101, 0.001), (0.099, 0.001)))


@pytest.fixture(scope="module")
def report():
    return read_report(SAMPLE)


@pytest.fixture(scope="module")
def answer(report):
    return Found(exit_code=0, report=msgspec.json.encode(report).decode())


def node(name, **resources):
    return Node(id=name, host=f"host-{name}", resources={"CPU": 4.0, "crossrt-node": 1.0, **resources})


class Fake:
    """Nodes that do what a test says: an end for each task, in the order in which they are submitted."""

    def __init__(self, nodes, ends):
        self.alive, self.ends, self.now = list(nodes), deque(ends), 0.0
        self.submitted, self.cancelled, self.running = [], [], {}

    def nodes(self):
        return self.alive

    def submit(self, node, order):
        assert node.id not in {each.id for each in self.running.values()}, "two tasks on a node"
        self.submitted.append((order.machine, node.id))
        self.running[order.machine] = node

    def cancel(self, machine):
        self.cancelled.append(machine)

    def wait(self, seconds):
        self.now += seconds
        if not self.running:
            return []
        if self.cancelled:
            return [Ended(machine=self._stop(self.cancelled.pop()), how="cancelled")]
        end = self.ends.popleft() if self.ends else None
        if isinstance(end, BaseException):
            raise end
        machine = next(iter(self.running))
        return [] if end is None else [replace(end, machine=self._stop(machine))]

    def _stop(self, machine):
        del self.running[machine]
        return machine


def ended(how, found=None, reason=""):
    return Ended(machine="?", how=how, found=found, reason=reason)


def schedule(cluster, folder, *machines, patience=PATIENCE, **resources):
    jobs = [Job(machine=name, resources=resources.get(name, ())) for name in machines]

    def order(job, node):
        return Order(
            machine=job.machine,
            version="1",
            folder="/",
            config="crossrt.toml",
            config_sha256=ABOUT.config_sha256,
            arguments=(),
            cpus=node.cpus,
            seconds=60,
            wait_seconds=60,
        )

    return Schedule(jobs, cluster, order, Kept(folder, ABOUT), patience, Silent(), clock=lambda: cluster.now)


def test_a_job_that_waits_for_a_node_says_so_once(tmp_path, answer):
    cluster, told = Fake([node("x")], [ended("answered", answer)]), []
    made = schedule(cluster, tmp_path, "a", "b", b=("gpu",))
    made._display = SimpleNamespace(phase=lambda *_: None, step=lambda *_: None, remark=told.append)
    made.run()
    assert [each for each in told if "waiting" in each] == [
        "  b: waiting for a node with the resource gpu that may be measured on, at most 60 s"
    ]
    assert made.rows["b"].text == "no node with the resource gpu that may be measured on is alive (waited 60 s)"


def test_each_machine_gets_a_report_and_no_node_two_jobs_at_once(tmp_path, answer):
    cluster = Fake([node("x"), node("y")], [ended("answered", answer)] * 3)

    made = schedule(cluster, tmp_path, "a", "b", "c")
    made.run()

    assert {name: row.outcome for name, row in made.rows.items()} == dict.fromkeys("abc", "measured")
    assert all(read_report(tmp_path / name / "report.json") for name in "abc")
    assert exit_code(made.rows.values()) == 0


def test_nodes_of_one_machine_take_turns_without_a_limit(tmp_path, answer):
    here, there = {"node:10.0.0.1": 1.0}, {"node:10.0.0.2": 1.0}
    nodes = [node("x", **here), node("y", **here), node("z", **there)]
    cluster = Fake(
        nodes, [*[None] * 500, ended("answered", answer), ended("answered", answer), ended("answered", answer)]
    )

    made = schedule(cluster, tmp_path, "a", "b", "c")
    made.run()

    assert cluster.submitted == [("a", "x"), ("b", "z"), ("c", "x")]
    assert {row.outcome for row in made.rows.values()} == {"measured"}


def test_a_job_whose_node_died_runs_on_another_and_finished_ones_are_kept(tmp_path, answer):
    cluster = Fake([node("x"), node("y")], [ended("answered", answer), ended("died"), ended("answered", answer)])

    made = schedule(cluster, tmp_path, "a", "b")
    made.run()

    assert [row.outcome for row in made.rows.values()] == ["measured", "measured"]
    assert cluster.submitted == [("a", "x"), ("b", "y"), ("b", "x")]


def test_a_node_under_which_a_task_died_gets_none_before_ray_knows_whether_it_is_dead(tmp_path, answer):
    cluster = Fake([node("x")], [ended("died"), ended("answered", answer)])

    made = schedule(cluster, tmp_path, "a")
    made.run()

    assert made.rows["a"].outcome == "measured"
    assert cluster.now > SUSPECT_S


def test_a_job_under_which_every_node_dies_fails(tmp_path):
    cluster = Fake([node("x")], [ended("died", reason="the node is gone")] * 3)

    made = schedule(cluster, tmp_path, "a")
    made.run()

    assert made.rows["a"].outcome == "failed"
    assert made.rows["a"].text == "3 nodes died under it; the last: the node is gone"
    assert exit_code(made.rows.values()) == 1


def test_a_machine_runs_on_nodes_with_its_resources_alone(tmp_path, answer):
    cluster = Fake([node("x"), node("y", epyc=1.0)], [ended("answered", answer)])

    made = schedule(cluster, tmp_path, "a", "b", a=("epyc",), b=("arm",))
    made.run()

    assert cluster.submitted == [("a", "y")]
    assert "resource arm" in made.rows["b"].text


def test_a_node_that_refuses_leaves_the_job_to_another(tmp_path, answer):
    busy = ended("answered", Found(exit_code=BUSY, problem="this machine is not quiet"))
    cluster = Fake([node("x"), node("y")], [busy, ended("answered", answer)])

    made = schedule(cluster, tmp_path, "a")
    made.run()

    assert cluster.submitted == [("a", "x"), ("a", "y")]
    assert made.rows["a"].outcome == "measured"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (ended("answered", Found(exit_code=BUSY, problem="not quiet")), "not quiet"),
        (ended("answered", Found(problem="crossrt is not installed")), "crossrt is not installed"),
        (ended("answered", Found(exit_code=2, problem="no such file")), "no such file"),
        (ended("answered", Found(exit_code=0, report="{")), "not a crossrt report"),
        (ended("broken", reason="RuntimeEnv"), "Ray could not run it on node host-x: RuntimeEnv"),
        (ClusterLostError("the Ray cluster vanished"), "the Ray cluster vanished"),
    ],
)
def test_what_cannot_be_measured_is_a_failed_row(tmp_path, end, told):
    made = schedule(Fake([node("x")], [end]), tmp_path, "a")
    made.run()

    assert made.rows["a"].outcome == "failed"
    assert told in made.rows["a"].text
    assert not (tmp_path / "a").exists()


def test_a_task_that_never_starts_is_given_up(tmp_path):
    cluster = Fake([node("x")], [])

    made = schedule(cluster, tmp_path, "a")
    made.run()

    assert "do other tasks or actors hold its CPUs?" in made.rows["a"].text
    assert cluster.cancelled == ["a"]


def test_an_interrupt_ends_what_runs_and_the_next_run_goes_on_with_what_is_missing(tmp_path, answer):
    cluster = Fake([node("x"), node("y")], [ended("answered", answer), KeyboardInterrupt()])
    made = schedule(cluster, tmp_path, "a", "b", "c")

    with pytest.raises(KeyboardInterrupt):
        made.run()

    assert [made.rows[name].outcome for name in "abc"] == ["measured", "interrupted", "interrupted"]
    assert not cluster.running
    again = Fake([node("x")], [ended("answered", answer)] * 2)
    made = schedule(again, tmp_path, "a", "b", "c")
    made.run()
    assert [made.rows[name].outcome for name in "abc"] == ["kept", "measured", "measured"]
    assert [machine for machine, _ in again.submitted] == ["b", "c"]


def test_a_folder_is_not_mixed_with_reports_of_another_configuration(tmp_path, report):
    kept = Kept(tmp_path, ABOUT)
    assert list(tmp_path.iterdir()) == []
    kept.keep("m0", msgspec.json.encode(report).decode())
    with pytest.raises(FleetError, match="another configuration"):
        Kept(tmp_path, replace(ABOUT, arguments=()))


@pytest.mark.parametrize(
    ("after", "activity", "outcome"),
    [(EQUAL, QUIET, "measured"), (APART, QUIET, "disturbed"), (EQUAL, replace(QUIET, pressure=0.5), "disturbed")],
)
def test_a_machine_that_was_not_left_alone_is_no_success(tmp_path, report, after, activity, outcome):
    use = ExclusiveUse(
        lock="/tmp/lock",
        max_pressure=0.05,
        max_steal=0.01,
        before=QUIET,
        after=activity,
        stolen=0.0,
        aa_before=EQUAL,
        aa_after=after,
    )
    found = Found(exit_code=0, report=msgspec.json.encode(replace(report, exclusive=use)).decode())

    made = schedule(Fake([node("x")], [ended("answered", found)]), tmp_path, "a")
    made.run()

    assert made.rows["a"].outcome == outcome
    assert (tmp_path / "a" / "report.json").exists()
    assert exit_code(made.rows.values()) == (outcome != "measured")
    assert sheet_of(made.rows.values()).rows[0][1].text == outcome


def test_without_names_each_machine_of_the_cluster_is_one_job():
    nodes = [
        node("x", **{"node:10.0.0.1": 1.0}),
        node("y", **{"node:10.0.0.1": 1.0}),
        node("z", **{"node:10.0.0.2": 1.0, "node:__internal_head__": 1.0}),
    ]

    jobs = jobs_of(read_fleet({}, "crossrt.toml", needs=()), nodes)

    assert [(each.machine, each.resources) for each in jobs] == [
        ("host-y", ("node:10.0.0.1",)),
        ("host-z", ("node:10.0.0.2",)),
    ]


def test_a_cluster_without_nodes_to_measure_on_says_how_to_start_one():
    head = Node(id="h", host="head", resources={"CPU": 4.0})
    with pytest.raises(FleetError, match="none of 1 node of the Ray cluster may be measured on"):
        jobs_of(read_fleet({}, "crossrt.toml", needs=()), [head])
