"""A runtime that reads ONNX and TFLite files, as OpenVINO does: each by the shipped runtime of its format."""

from crossrt.runtimes.litert.interpreter import TfLite
from crossrt.runtimes.ort.adapter import OrtCpu


class Both:
    name = "both"
    formats = ("onnx", "tflite")

    def version(self):
        return "1.0"

    def unsupported_reason(self, artifact, options):
        return self._runtime_of(artifact).unsupported_reason(artifact, options)

    def prepare(self, artifact, options):
        return self._runtime_of(artifact).prepare(artifact, options)

    def _runtime_of(self, artifact):
        return OrtCpu() if artifact.format == "onnx" else TfLite()
