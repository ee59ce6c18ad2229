"""Did the method do anything, and is a file what its name says?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Final

from crossrt.analysis.audit.record import Finding
from crossrt.analysis.findings.names import What, claims
from crossrt.analysis.findings.protocol import Outcome, check, not_applicable
from crossrt.analysis.findings.quantized_file import QuantizedFile, bits_of
from crossrt.core.artifact import ModelFormat
from crossrt.exporters.sources.onnx_weights import FLOATS, INTEGERS

_SMALL_FLOATS: Final = ("float16", "bfloat16")
_MOST: Final = 0.5
_OTHER_SUFFIX: Final[Mapping[ModelFormat, tuple[str, ...]]] = {"onnx": (".tflite", ".lite"), "tflite": (".onnx",)}
_KINDS: Final[Mapping[ModelFormat, str]] = {"onnx": "an ONNX model", "tflite": "a TFLite model"}


@check("quantized weights", place=10)
def quantized_weights(file: QuantizedFile) -> Outcome:
    """A quantizer that finds nothing to do returns the float model without a word."""
    sizes = _sizes(file)
    integers = sum(sizes[name] for name in sizes if name in INTEGERS or name.startswith("float8"))
    floats = sum(sizes[name] for name in FLOATS)
    halves = sum(sizes[name] for name in _SMALL_FLOATS)
    if integers or any(name in INTEGERS for name in sizes):  # weights of no elements are integers, too
        share = integers / max(1, integers + floats)
        what = "codes of 8 bits" if any(name.startswith("float8") for name in sizes) else "integers"
        return Outcome(f"{share:.1%} of the bytes of weights are {what}", list(_little(file, share, floats)))
    if halves * 2 > floats:
        return Outcome(f"{halves / floats:.1%} of the bytes of weights are float16; arithmetic stays in float")
    return Outcome("nothing is quantized", [_nothing(file, floats)])


def _little(file: QuantizedFile, share: float, floats: int) -> Iterator[Finding]:
    if share < _MOST:
        yield Finding(
            severity="note",
            where=file.name,
            found=f"{floats:,} bytes of weights are in float, more than are quantized",
            expected="most weights as integers, if the file shall be small",
            to_do="see float weights, which names the operators that hold them",
        )


def _nothing(file: QuantizedFile, floats: int) -> Finding:
    return Finding(
        severity="wrong",
        where=file.name,
        found=f"no weight is an integer: {floats:,} bytes of float",
        expected="integer weights, or float16",
        to_do="look for a warning of the quantizer: it may know no operator of the model, or want another opset",
    )


def _sizes(file: QuantizedFile) -> Counter[str]:
    """Bytes of weights by type, those that nothing reads left out."""
    integers = {each.name for each in file.constants if each.dtype in INTEGERS}
    sizes = Counter[str]()
    for each in file.constants:
        if each.readers and not each.is_parameter:
            sizes[each.dtype] += each.size_bytes
    return sizes if integers or sizes else Counter()


@check("file name", place=12)
def file_name(file: QuantizedFile) -> Outcome:
    """Somebody reads the name and believes it."""
    claimed = claims(file.name)
    suffix = PurePath(file.name).suffix.lower()
    if not claimed and suffix not in _OTHER_SUFFIX[file.format]:
        return not_applicable("it claims no quantization")
    found = [*_wrong_suffix(file, suffix), *_lies(file, claimed)]
    return Outcome(found[0].found if found else "says what the file is", found)


def _wrong_suffix(file: QuantizedFile, suffix: str) -> Iterator[Finding]:
    if suffix in _OTHER_SUFFIX[file.format]:
        kind = _KINDS[file.format]
        yield Finding(
            severity="wrong",
            where=file.name,
            found=f"the name ends in {suffix}, and the file is {kind}",
            expected=f".{file.format} for {kind}",
            to_do="rename the file: runtimes and tools choose by the ending",
        )


def _lies(file: QuantizedFile, claimed: list[tuple[str, int, What]]) -> Iterator[Finding]:
    weights = [each.weight for each in file.layers if each.weight is not None] or file.of_role("weight")
    bits = {bits_of(each.dtype) for each in weights}
    names = {each.dtype for each in file.constants if each.readers}
    held = " and ".join(sorted({each.dtype for each in weights} or names)) or "nothing"
    of_weights = [number for _, number, what in claimed if what == "weights"]
    for word, number, what in claimed:
        is_true = {
            "weights": number in bits or (len(of_weights) > 1 and bool(bits & set(of_weights))),
            "floats": any(name.startswith(("float", "bfloat")) and bits_of(name) == number for name in names),
            "anything": bool(weights) or any(name in _SMALL_FLOATS for name in names),
        }[what]
        if not is_true:
            yield Finding(
                severity="wrong",
                where=file.name,
                found=f"the name says {word}, and the weights of its layers are {held}",
                expected=f"weights in {number} bits" if number else "quantized weights",
                to_do="rename the file, or quantize it again",
            )
