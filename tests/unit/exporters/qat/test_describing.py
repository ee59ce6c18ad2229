"""A network goes into a Keras file as JSON, and comes back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crossrt.exporters.errors import ModelError
from crossrt.exporters.training.own_loop.describing import described, network_of
from crossrt.exporters.training.qat import graph
from crossrt.exporters.training.qat.graph import Network, Step

KERNEL = np.arange(54, dtype=np.float32).reshape(3, 3, 3, 2)
PAIR = (1, 1)
OPS = (
    graph.Input(place=0, dtype="uint8"),
    graph.Scaling(factor=np.float32([1 / 255]), offset=np.float32([-0.1])),
    graph.Convolution(
        kernel=KERNEL, bias=np.ones(2, np.float32), strides=PAIR, padding="same", dilation=PAIR, is_depthwise=False
    ),
    graph.Sum(),
    graph.Concatenation(axis=3),
    graph.Pool(kind="max", size=(2, 2), strides=(2, 2), padding="valid"),
    graph.GlobalPool(kind="average", keeps_axes=False),
    graph.Pad(height=(1, 0), width=(0, 1)),
    graph.Reshape(shape=(18,)),
    graph.Identity(),
    graph.Leaky(slope=0.1),
    graph.Dropout(rate=0.2),
    graph.Dense(kernel=np.ones((18, 4), np.float32), bias=np.zeros(4, np.float32)),
    graph.Final(kind="softmax"),
)


def network():
    steps = tuple(
        Step(
            name=f"step/{number}",
            op=op,
            inputs=(f"step/{number - 1}",) if number else (),
            shape=(4, 4, 2),
            relu=(None, 6.0, float("inf"))[number % 3],
            range="same" if number % 2 else "own",
        )
        for number, op in enumerate(OPS)
    )
    return Network(steps=steps, outputs=(steps[-1].name,), notes=("a layer stays in float",))


def arrays(op):
    return {name: value for name, value in vars_of(op).items() if isinstance(value, np.ndarray)}


def vars_of(op):
    return {each.name: getattr(op, each.name) for each in dataclasses.fields(op)}


def test_every_step_comes_back_with_the_constants_of_its_layers_and_the_shapes_of_its_variables():
    before = network()
    after = network_of(described(before))
    assert (after.output, after.notes) == (before.output, before.notes)
    for one, other in zip(before.steps, after.steps, strict=True):
        assert dataclasses.replace(one, op=OPS[0]) == dataclasses.replace(other, op=OPS[0])
        assert type(one.op) is type(other.op)
        plain = {name: value for name, value in vars_of(one.op).items() if name not in arrays(one.op)}
        assert plain == {name: value for name, value in vars_of(other.op).items() if name not in arrays(other.op)}
        for name, values in arrays(one.op).items():
            found = getattr(other.op, name)
            assert (found.shape, found.dtype) == (values.shape, values.dtype)
            assert np.array_equal(found, values if name in ("factor", "offset") else np.zeros_like(values))


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"steps": [{"op": {"computes": "os.system"}}], "output": "", "notes": []}']
)
def test_what_is_not_a_network_is_refused(text):
    with pytest.raises(ModelError, match="does not hold a network that crossrt wrote"):
        network_of(text)
