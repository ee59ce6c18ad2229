"""A PostgreSQL server of our own, artifacts that stand for real ones, and small float32 ONNX networks."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, settings
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.artifact import ModelArtifact, Quantization, ReferenceAnswers, sha256_of
from crossrt.core.tensor import TensorSpec, batching_of
from crossrt.datasets.fitting import Fit

settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # a busy machine is no defect

CORE = ("core", "datasets", "reports")
"""Folders of tests that need neither TensorFlow nor a runtime.

With `pytest -m core` they run by themselves, in less than half a minute: without simulations and without those that
Hypothesis repeats on many inputs.
"""

SLOW = ("exchange", "history", "page")
"""Folders of `reports` that wait for other programs or draw."""

USERS = ("postgres", "nobody")
"""Who runs the server where we are root, which PostgreSQL refuses to be."""


GUARD = 'read _; "$@" && rm -rf "$0"'
"""Stops the server as soon as the process that started it has ended, even if it was killed."""


def pytest_addoption(parser):
    parser.addoption(
        "--without-postgresql", action="store_true", help="skip the tests that need a PostgreSQL server on this machine"
    )


def pytest_collection_modifyitems(items):
    """Marks what is quick, and has long files begin first: one that begins last keeps the other processors waiting."""
    unit = Path(__file__).parent
    long = {each.path for each in items if any(map(each.get_closest_marker, ("processes", "tensorflow")))}
    parts = {path: path.relative_to(unit).parts for path in {each.path for each in items} if path.is_relative_to(unit)}
    items.sort(key=lambda item: item.path in parts and item.path not in long)
    for item in items:
        if item.path in parts:
            folders = parts[item.path][:-1]
            slow = item.get_closest_marker("simulation") or not set(folders).isdisjoint(SLOW)
            slow = slow or getattr(item.function, "is_hypothesis_test", False)
            if folders and folders[0] in CORE and not slow:
                item.add_marker("core")


NO_TENSORFLOW = Path(__file__).parents[1] / "data" / "no_tensorflow"


@pytest.fixture
def without_tensorflow(monkeypatch) -> None:
    """Processes find no TensorFlow, whose import takes seconds each time that all runtimes are asked what they are."""
    path = filter(None, [str(NO_TENSORFLOW), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


@pytest.fixture(scope="session")
def remembered_runtimes() -> Callable[[], AbstractContextManager[None]]:
    """While `remembered_runtimes()` lasts, ORT and LiteRT are asked once a session what they are: a process each."""
    from crossrt.harness.process import probe

    ask, known = probe._probe, {}

    def asked(name, *rest):
        if name not in ("ort-cpu", "tflite"):
            return ask(name, *rest)
        if name in known:
            return known[name]
        found = ask(name, *rest)
        if found.problem is None:
            known[name] = found
        return found

    @contextmanager
    def remembered() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(probe, "_probe", asked)
            yield

    return remembered


@pytest.fixture
def runtimes_are_remembered(remembered_runtimes) -> Iterator[None]:
    """The same for a whole test."""
    with remembered_runtimes():
        yield


@pytest.fixture(scope="session")
def postgresql_server(request) -> Iterator[str]:
    """URL of a server on a Unix socket, without the database's name at its end."""
    if request.config.getoption("--without-postgresql"):
        pytest.skip("--without-postgresql")
    binaries = server_binaries()
    with tempfile.TemporaryDirectory(prefix="crossrt-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = Server(binaries, Path(name))
        server.start()
        yield server.url
        server.stop()


@pytest.fixture
def postgresql_url(postgresql_server) -> Iterator[str]:
    """URL of an empty schema, which costs less than a database of its own."""
    import psycopg

    name, server = f"t{uuid.uuid4().hex}", postgresql_server.replace("DATABASE", "postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield f"{server}&options=-csearch_path%3D{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")


def server_binaries() -> Path:
    """The newest server that is installed; none is an error in CI, where a silent skip would look like success."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if on_path is None and not found:
        without = pytest.fail if os.environ.get("CI") else pytest.skip
        without("no PostgreSQL server: apt-get install -y postgresql")
    return (Path(on_path) if on_path else found[-1]).resolve().parent


class Server:
    """A server in a folder of its own, which only this machine's users reach."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder, self._data = binaries, folder, folder / "data"
        self._user = next((user for user in USERS if exists(user)), None) if os.getuid() == 0 else None
        self.url = f"postgresql://crossrt@/DATABASE?host={folder}"

    def start(self) -> None:
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-U", "crossrt", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c fsync=off -c full_page_writes=off"
        )
        self._run("pg_ctl", "-w", "-s", "-l", str(self._folder / "log"), "-o", options, "start")
        stop = self._command("pg_ctl", "-w", "-s", "-m", "immediate", "stop")
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, str(self._folder), *stop], cwd="/", stdin=subprocess.PIPE, start_new_session=True
        )

    def stop(self) -> None:
        self._guard.communicate()
        assert self._guard.returncode == 0

    def _command(self, name: str, *arguments: str) -> list[str]:
        command = [str(self._binaries / name), "-D", str(self._data), *arguments]
        return ["runuser", "-u", self._user, "--", *command] if self._user else command

    def _run(self, name: str, *arguments: str) -> None:
        command = self._command(name, *arguments)
        done = subprocess.run(command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            pytest.fail(f"{name} failed: {done.stderr}")


def exists(user: str) -> bool:
    import pwd

    return user in {entry.pw_name for entry in pwd.getpwall()}


@pytest.fixture
def make_artifact(tmp_path):
    """Writes a file that stands for a model, and describes it."""

    def make(folder: Path = tmp_path, *, content: bytes = b"model", **fields) -> ModelArtifact:
        path = folder / "net.int8.tflite"
        path.write_bytes(content)
        image = TensorSpec(name="image", dtype="int8", shape=("batch", 28, 28, 1), scale=0.004, zero_point=-128)
        defaults = {
            "model": "net",
            "variant": "int8",
            "format": "tflite",
            "path": path,
            "sha256": sha256_of(path),
            "size_bytes": len(content),
            "inputs": (image,),
            "outputs": (TensorSpec(name="logits", dtype="float32", shape=("batch", 10)),),
            "batching": batching_of((image,)),
            "role": "quantized",
            "quantization": Quantization(
                scheme="static",
                representation="tflite",
                activation_type="int8",
                weight_type="int8",
                granularity="per-channel",
                calibration_method="minmax",
                calibration_samples=1000,
                calibration_sha256="c" * 64,
            ),
            "producer": {"tensorflow": "2.19.0", "numpy": "2.0.0"},
            "source_sha256": "d" * 64,
        }
        return ModelArtifact(**{**defaults, **fields})

    return make


@pytest.fixture
def make_reference():
    """Writes a file that stands for a model's answers, and describes it."""

    def make(folder: Path, *, content: bytes = b"answers") -> ReferenceAnswers:
        path = folder / "reference.npz"
        path.write_bytes(content)
        hashes = {"sha256": sha256_of(path), "source_sha256": "d" * 64, "data_fingerprint": "e" * 64}
        return ReferenceAnswers(model="net", path=path, samples=10, producer={"keras": "3.0.0"}, **hashes)

    return make


class ArrayData:
    """Samples in memory, one array for each input."""

    name, notes, labels, shared = "arrays", (), None, frozenset()

    def __init__(self, arrays) -> None:
        self.arrays = dict(arrays)
        self.fingerprint = hashlib.sha256(b"".join(each.tobytes() for each in self.arrays.values())).hexdigest()
        self.inputs = {
            name: TensorSpec(name=name, dtype=each.dtype.name, shape=each.shape[1:])
            for name, each in self.arrays.items()
        }

    def __len__(self) -> int:
        return min(map(len, self.arrays.values()))

    def feeds(self, indices):
        return {name: each[list(indices)] for name, each in self.arrays.items()}


def plain_feeds(dataset, found, inputs, batching, indices):
    """Samples along the batch axis of each input; a model without a batch takes one as it is."""
    feeds = dataset.feeds(indices)
    laid = {
        spec.name: np.moveaxis(feeds[spec.name], 0, batching.axes[spec.name])
        if batching.is_batched
        else feeds[spec.name][0]
        for spec in inputs
    }
    return {name: np.ascontiguousarray(each) for name, each in laid.items()}


@pytest.fixture
def make_calibration(monkeypatch):
    """Calibrates with arrays by input name; one array stands for that of the input `image`."""
    from crossrt.exporters import calibration as module

    monkeypatch.setattr(module, "model_feeds", plain_feeds)

    def make(arrays, inputs=None):
        inputs = inputs or (TensorSpec(name="image", dtype="float32", shape=("batch", 28, 28, 1)),)
        dataset = ArrayData(arrays if isinstance(arrays, dict) else {inputs[0].name: arrays})
        found = Fit(arrays={spec.name: spec.name for spec in inputs}, dimensions={})
        return module.Calibration(dataset, found, inputs, batching_of(inputs))

    return make


@pytest.fixture
def images():
    """`images(count, seed)` draws grey images that look like strokes on black: most of a picture is 0."""

    def draw(count=1000, seed=0):
        generator = np.random.default_rng(seed)
        found = generator.random((count, 28, 28, 1), dtype=np.float32)
        return np.where(generator.random((count, 28, 28, 1)) < 0.8, np.float32(0), found)

    return draw


def _array(name, *shape, seed=0):
    values = np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


def _model(nodes, initializers):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 28, 28, 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        initializers,
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])


def _dense(source):
    return [
        helper.make_node("Reshape", [source, "flat"], ["hidden"], name="flatten"),
        helper.make_node("MatMul", ["hidden", "dense"], ["product"], name="dense"),
        helper.make_node("Add", ["product", "offset"], ["logits"], name="add"),
    ]


SHAPE = numpy_helper.from_array(np.array([-1, 1, 28, 28], dtype=np.int64), "shape")
FLAT = numpy_helper.from_array(np.array([-1, 4 * 49], dtype=np.int64), "flat")
INITIALIZERS = [
    SHAPE,
    FLAT,
    _array("kernel", 4, 1, 4, 4),
    _array("bias", 4),
    _array("dense", 196, 10),
    _array("offset", 10),
]
FIRST = [
    helper.make_node("Reshape", ["image", "shape"], ["nchw"], name="reshape"),
    helper.make_node("Conv", ["nchw", "kernel", "bias"], ["conv"], name="conv", strides=[4, 4]),
    helper.make_node("Relu", ["conv"], ["relu"], name="relu"),
]


@pytest.fixture
def network(tmp_path):
    """Writes a network: `plain`, or `branched`, whose convolution is read by a Relu and by an Add."""

    def write(kind="plain"):
        nodes = [*FIRST, *_dense("relu")]
        if kind == "branched":
            nodes = [*FIRST, helper.make_node("Add", ["conv", "relu"], ["sum"], name="sum"), *_dense("sum")]
        folder = tmp_path / kind
        folder.mkdir(exist_ok=True)
        onnx.save(_model(nodes, INITIALIZERS), folder / "float.onnx")
        return folder / "float.onnx"

    return write
