"""A data set called `waves`, and a reader of WAV files."""

import wave

import numpy as np

from crossrt.core.errors import DataError
from crossrt.datasets.opening import dataset_from
from crossrt.datasets.readers.reader import Reader

SAMPLES = 128


def _waves(seed, count):
    """Sine waves of ten frequencies, with noise; the label is the frequency's number."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    phases = random.uniform(0, 2 * np.pi, (count, 1))
    time = np.linspace(0, 2 * np.pi, SAMPLES, endpoint=False)
    waves = np.sin((labels[:, None] + 1) * time + phases) + random.normal(0, 0.5, (count, SAMPLES))
    return {"features": waves.astype(np.float32), "labels": labels}


# parts by name, the default first; each is a function, so that nothing is made before it is asked for
SPLITS = {"test": lambda: _waves(1, 2_000), "train": lambda: _waves(0, 1_000)}


def read(path, request, inputs):
    """Opens 16-bit mono audio as frames, one sample each, for a model with one input of `(batch, frame)`."""
    if request.split is not None:
        raise DataError(f"{path} has no splits: leave out the split {request.split!r}")
    try:
        with wave.open(str(path)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise DataError(
                    f"{path} has {file.getnchannels()} channels of {file.getsampwidth()} bytes: expected mono, 16 bits"
                )
            audio = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (wave.Error, EOFError) as error:
        raise DataError(f"{path} is not intact audio ({error})") from error
    name, size = "audio", SAMPLES
    if inputs and len(inputs) == 1:
        name = inputs[0].name
        size = inputs[0].shape[-1] if inputs[0].shape and isinstance(inputs[0].shape[-1], int) else SAMPLES
    frames = audio[: len(audio) // size * size].reshape(-1, size)
    return dataset_from({name: frames.astype(np.float32) / 32_768}, path.name)


READER = Reader(
    name="WAV",
    suffixes=(".wav",),
    recognizes=lambda path, head: head[:4] == b"RIFF" and head[8:12] == b"WAVE",
    read=read,
)
