"""What every runtime must do, as a pytest suite: checked on every installed runtime and every model that it reads.

On a runtime of your own, registered under the entry point group `crossrt.runtimes`:

    pytest --pyargs crossrt.runtimes.conformance --require-runtime NAME -k NAME

On models of your own, add `--conformance-artifacts DIR`. Each folder under DIR that holds an `artifact.json` also holds
what its model takes and must answer: `inputs.npz` and `outputs.npz`, keyed by name. Samples lie along axis 0, whatever
the axis of the batch in the model; an input that is the same for all samples is stored as it is. Quantized tensors are
stored as the float32 that they stand for, other floats as float32, everything else in its own dtype.
"""
