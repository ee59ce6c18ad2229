"""What a step computes and how it is rounded: the same numbers on each backend of Keras.

On TensorFlow it is the operators that both files are made from. On JAX and PyTorch it is the same float32 arithmetic.
"""

import keras

if keras.backend.backend() == "tensorflow":
    from crossrt.exporters.training.qat.arithmetic.on_tensorflow import (
        affine_tensors,
        compute,
        fixed_activation,
        integer_bias,
        integer_kernel,
        kernel_scales,
        learned_activation,
        quantized_activation,
        quantized_kernel,
        rectified,
        rounded_activation,
    )
else:
    from crossrt.exporters.training.qat.arithmetic.portable import (
        affine_tensors,
        compute,
        fixed_activation,
        integer_bias,
        integer_kernel,
        kernel_scales,
        learned_activation,
        quantized_activation,
        quantized_kernel,
        rectified,
        rounded_activation,
    )

__all__ = [
    "affine_tensors",
    "compute",
    "fixed_activation",
    "integer_bias",
    "integer_kernel",
    "kernel_scales",
    "learned_activation",
    "quantized_activation",
    "quantized_kernel",
    "rectified",
    "rounded_activation",
]
