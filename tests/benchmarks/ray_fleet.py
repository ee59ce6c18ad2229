"""Kills nodes of a Ray fleet and counts lost cases: `python tests/benchmarks/ray_fleet.py [--kills 20]`.

Starts a head and nodes of a Ray cluster on this machine, runs `crossrt fleet run` on them, and kills a node that has a
job (SIGKILL to all its processes) again and again, after a random time; another takes its place. All nodes stand on one
machine, so one of them measures at a time: what is counted is lost cases, and the times say nothing.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import click
import ray
from ray.cluster_utils import Cluster

from crossrt.reports.schema.files import read_report

MODELS = Path(__file__).parents[2] / "runtimes" / "conformance" / "models"
SMALL = 80 * 2**20
STARTS = 20
KILLING = 0.6
"""Share of the time in which nodes are killed; in the rest, jobs can finish."""

WORKER: dict[str, Any] = {"num_cpus": 1, "resources": {"crossrt-node": 1}}
CONFIG = """[model]
path = "model.onnx"
[bench]
runtime = ["ort-cpu"]
rounds = 1
time = 5
[fleet]
arguments = ["--max-pressure=100", "--max-steal=100"]
"""


@click.command()
@click.option("--kills", type=click.IntRange(min=0), default=20, show_default=True)
@click.option("--nodes", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--machines", type=click.IntRange(min=1), default=2, show_default=True, help="Jobs of the fleet.")
@click.option(
    "--every",
    "every_s",
    type=float,
    default=20,
    show_default=True,
    help="Seconds from a node's start to the next kill, at the most.",
)
@click.option("--minutes", type=float, default=60, show_default=True, help="When to stop, whatever is left.")
def main(kills: int, nodes: int, machines: int, every_s: float, minutes: float) -> None:
    """Prints a Markdown row."""
    with tempfile.TemporaryDirectory() as name:
        folder, began = Path(name), time.monotonic()
        model = MODELS / "image.fp32.onnx" / "model.onnx"
        (folder / "model.onnx").write_bytes(model.read_bytes())
        parts = [CONFIG, *(f"[fleet.machines.m{place:02}]\n" for place in range(machines))]
        (folder / "crossrt.toml").write_text("".join(parts))
        cluster = Cluster()
        _add(cluster, num_cpus=0, include_dashboard=False)
        workers = [_add(cluster, **WORKER) for _ in range(nodes)]
        cluster.wait_for_nodes(timeout=300)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        command = [sys.executable, "-m", "crossrt", "fleet", "run", "--ray", cluster.address, "--out", "out"]
        run = subprocess.Popen([*command, "--attempts", str(kills + 1)], cwd=folder)
        killed = _kill_at_random(cluster, workers, run, kills, every_s, began + KILLING * 60 * minutes)
        _end(run, began + 60 * minutes)
        reports = [read_report(each) for each in (folder / "out").glob("*/report.json")]
        measured = sum(result.status == "ok" for report in reports for result in report.results)
        ray.shutdown()
        cluster.shutdown()
    print("| nodes | jobs | killed nodes | cases | lost cases | exit code | minutes |")
    print("|---|---|---|---|---|---|---|")
    taken = (time.monotonic() - began) / 60
    print(f"| {nodes} | {machines} | {killed} | {machines} | {machines - measured} | {run.returncode} | {taken:.1f} |")


def _end(run: subprocess.Popen[bytes], until: float) -> None:
    """Waits for the fleet; when the time is over it is interrupted, and what is not finished counts as lost."""
    try:
        run.wait(max(1.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGINT)
        run.wait()


def _add(cluster: Cluster, **options: Any) -> Any:
    """Another node; on a busy machine one may not start within the half minute that Ray allows."""
    for _ in range(STARTS - 1):
        try:
            return cluster.add_node(wait=False, object_store_memory=SMALL, **options)
        except Exception as error:
            print(f"a node did not start, another is tried: {error}", file=sys.stderr)
    return cluster.add_node(wait=False, object_store_memory=SMALL, **options)


def _kill_at_random(
    cluster: Cluster, workers: list[Any], run: subprocess.Popen[bytes], kills: int, every_s: float, until: float
) -> int:
    """How many nodes with a job were killed."""
    chance, killed = random.Random(0), 0
    while killed < kills and run.poll() is None and time.monotonic() < until:
        time.sleep(chance.uniform(0, every_s))
        busy = _busy()
        chosen = [each for each in workers if each.node_id in busy]
        if not chosen or run.poll() is not None:
            continue
        node = chance.choice(chosen)
        workers.remove(node)
        cluster.remove_node(node, allow_graceful=False)
        killed += 1
        print(f"killed {node.node_id[:8]}: {killed} of {kills}", file=sys.stderr)
        workers.append(_add(cluster, **WORKER))
    return killed


def _busy() -> set[str]:
    """Nodes whose resource a job has taken."""
    from ray._private.state import available_resources_per_node

    free = available_resources_per_node()
    return {name for name, resources in free.items() if not resources.get("crossrt-node")}


if __name__ == "__main__":
    main()
