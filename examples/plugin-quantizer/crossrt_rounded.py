"""A quantizer for crossrt: weights of MatMul in int8, one scale for each output channel; activations stay float32."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from crossrt.core.artifact import Quantization


class Rounded:
    def quantize(self, float_model, path, feeds, options):
        model = onnx.load(float_model)
        graph = model.graph
        weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        conversions = []
        for name in sorted({node.input[1] for node in graph.node if node.op_type == "MatMul"} & weights.keys()):
            scale, codes = rounded(weights[name], options.get("bits", 8))
            kept = [each for each in graph.initializer if each.name != name]
            del graph.initializer[:]
            graph.initializer.extend(
                [
                    *kept,
                    numpy_helper.from_array(codes, f"{name}_codes"),
                    numpy_helper.from_array(scale, f"{name}_scale"),
                ]
            )
            inputs = [f"{name}_codes", f"{name}_scale"]
            conversions.append(helper.make_node("DequantizeLinear", inputs, [name], f"{name}_dequantize", axis=1))
        nodes = [*conversions, *graph.node]
        del graph.node[:]
        graph.node.extend(nodes)
        onnx.save(model, path)
        return Quantization(
            scheme="weight-only",
            representation="qdq",
            activation_type="float32",
            weight_type="int8",
            granularity="per-channel",
        )


def rounded(weight, bits):
    """Scales and integers of a (inputs, outputs) matrix, symmetric around 0."""
    most = 2 ** (bits - 1) - 1
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-12).astype(np.float32) / np.float32(most)
    return scale, np.clip(np.rint(weight / scale), -most, most).astype(np.int8)
