"""Does an audit find what is wrong, and nothing else? `python tests/benchmarks/planted_defects.py [FOLDER...]`

Plants defects of ten kinds, five of each, in quantized files of several models, and audits these and every sound file
as `crossrt audit FILE --float FLOAT_FILE` does. A defect counts as found if the check for it names the tensor or node
with `caution` or `wrong`; a sound file counts as clean if no check says either. Then the whole command is timed on a
file of 10 MB.

FOLDER is one that `crossrt quantize MODEL --out FOLDER` wrote; without any, those of two bundled models are built.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from defects import KINDS, Planted, Sound, long_layer

from crossrt.analysis.audit.record import Check
from crossrt.analysis.findings.protocol import run_checks
from crossrt.analysis.findings.reading import read_file

MODELS = ("mnist-cnn", "mnist-dense")
EACH = 5
FEWEST_CLEAN = 50
BAD = ("caution", "wrong")
RUNS = 3
LARGE = (5_000_000, 2)


def checks_of(path: Path, original: Path | None) -> list[Check]:
    """What the audit says of a file."""
    form = "onnx" if path.suffix == ".onnx" else "tflite"
    return list(run_checks(read_file(path, form), None if original is None else read_file(original, form)))


def sound_of(folder: Path) -> Sound:
    """The files of one folder that defects are planted in."""
    files = {path.name.partition(".")[2]: path for path in folder.iterdir()}
    return Sound(
        onnx=files["int8-qdq.onnx"],
        tflite=files["int8.tflite"],
        float_onnx=files["fp32.onnx"],
        float_tflite=files["fp32.tflite"],
        four_bits=files.get("a8w4-qdq.onnx") or files["w4.onnx"],
    )


def is_found(planted: Planted, found: list[Check]) -> bool:
    """True if the right check names the right thing."""
    findings = [each for check in found if check.name == planted.check for each in check.findings]
    return any(each.severity in BAD and planted.where in each.where for each in findings)


def plant_all(folders: list[Path], scratch: Path, each: int) -> Counter[str]:
    """Plants and audits; gives the number of defects found by kind."""
    found = Counter(dict.fromkeys(KINDS, 0))
    for number, (kind, plant) in enumerate(KINDS.items()):
        for seed in range(each):
            folder = scratch / f"{number}-{seed}"
            folder.mkdir()
            sound = sound_of(folders[seed % len(folders)])
            planted = plant(sound, np.random.default_rng([number, seed]), folder)
            checks = checks_of(planted.path, planted.original)
            found[kind] += is_found(planted, checks)
            if not is_found(planted, checks):
                print(f"MISSED  {kind}, seed {seed}: {planted.check} of {planted.where} in {folder}")
    return found


def clean_files(folders: list[Path]) -> list[tuple[Path, Path]]:
    """Every quantized file with its float file."""
    found: list[tuple[Path, Path]] = []
    for folder in folders:
        paths = [each for each in sorted(folder.iterdir()) if each.suffix in (".onnx", ".tflite")]
        quantized = [each for each in paths if ".fp32." not in each.name]
        found += [(each, next(folder.glob(f"*.fp32{each.suffix}"))) for each in quantized]
    return found


def alarms(folders: list[Path]) -> tuple[int, int]:
    """How many sound files there are, and how many of them something is said against."""
    files = clean_files(folders)
    bad = 0
    for path, original in files:
        said = [each.name for each in checks_of(path, original) if each.severity in BAD]
        bad += bool(said)
        if said:
            print(f"ALARM   {path.name}: {', '.join(said)}")
    return len(files), bad


def timed(scratch: Path) -> tuple[float, float, int]:
    """Seconds of the whole command on a large file, the best of three; seconds of processors; the file's size."""
    weights = np.random.default_rng(0).integers(-2, 3, LARGE).astype(np.int8)
    path = long_layer(scratch / "large.onnx", weights)
    times, before = [], resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "crossrt", "audit", str(path)], capture_output=True, check=False)
        times.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / RUNS
    return min(times), worked, path.stat().st_size


def built(scratch: Path) -> list[Path]:
    """All shipped recipes of two bundled models."""
    for model in MODELS:
        command = [sys.executable, "-m", "crossrt", "quantize", model, "--out", str(scratch / model)]
        subprocess.run(command, capture_output=True, check=False)
    return [scratch / model for model in MODELS]


def main() -> int:
    """Prints the figures; the exit code is 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--each", type=int, default=EACH, help="defects of each kind")
    arguments = parser.parse_args()
    given, each = arguments.folders, arguments.each
    with TemporaryDirectory() as name:
        scratch = Path(name)
        folders = given or built(scratch)
        found = plant_all(folders, scratch, each)
        clean, bad = alarms(folders)
        seconds, worked, size = timed(scratch)
    for kind, count in found.items():
        print(f"{kind:42}{count} of {each}")
    print(f"\ndefects found: {found.total()} of {len(KINDS) * each}; alarms in {bad} of {clean} sound files")
    print(f"`crossrt audit` of a file of {size / 1e6:.1f} MB: {seconds:.2f} s, {worked:.2f} s of processors")
    return int(found.total() < len(KINDS) * each or bad > 0 or clean < FEWEST_CLEAN)


if __name__ == "__main__":
    sys.exit(main())
