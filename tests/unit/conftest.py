"""A PostgreSQL server of our own, artifacts that stand for real ones, and small float32 ONNX networks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.artifact import ModelArtifact, Quantization, ReferenceLogits, TensorSpec, sha256_of

USERS = ("postgres", "nobody")
"""Who runs the server where we are root, which PostgreSQL refuses to be."""


def pytest_addoption(parser):
    parser.addoption(
        "--without-postgresql", action="store_true", help="skip the tests that need a PostgreSQL server on this machine"
    )


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
    """The newest server that is installed; none is an error, as a silent skip would look like success."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if on_path is None and not found:
        pytest.fail("no PostgreSQL server: apt-get install -y postgresql, or give --without-postgresql")
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

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-s", "-m", "immediate", "stop")

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(self._binaries / name), "-D", str(self._data), *arguments]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
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
        image = TensorSpec(name="image", dtype="int8", shape=(None, 28, 28, 1), scale=0.004, zero_point=-128)
        defaults = {
            "model": "net",
            "variant": "int8",
            "format": "tflite",
            "path": path,
            "sha256": sha256_of(path),
            "size_bytes": len(content),
            "inputs": (image,),
            "outputs": (TensorSpec(name="logits", dtype="float32", shape=(None, 10)),),
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
            "model_sha256": "d" * 64,
        }
        return ModelArtifact(**{**defaults, **fields})

    return make


@pytest.fixture
def make_reference():
    """Writes a file that stands for a model's answers, and describes it."""

    def make(folder: Path, *, content: bytes = b"logits") -> ReferenceLogits:
        path = folder / "reference.npy"
        path.write_bytes(content)
        hashes = {"sha256": sha256_of(path), "model_sha256": "d" * 64, "data_sha256": "e" * 64}
        return ReferenceLogits(model="net", path=path, producer={"keras": "3.0.0"}, **hashes)

    return make


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
