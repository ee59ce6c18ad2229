"""Trains a bundled architecture in a process of its own: `python -m crossrt.exporters.training.run`.

The job comes on standard input, events go to standard output.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossrt.core.events import EventStream, read_job
from crossrt.datasets.reference import TrainingJob
from crossrt.datasets.training import Course, write_bare
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training import environment as environment

if TYPE_CHECKING:
    from crossrt.exporters.training.loop import Lesson


def run(job: TrainingJob, events: EventStream) -> None:
    """Trains, with a checkpoint after each epoch, and writes the model without the optimizer's state."""
    import keras

    from crossrt.exporters.training.engine import engine
    from crossrt.exporters.training.loop import Lesson, Trainer

    course = course_of(job)
    recipe = course.recipes[job.architecture].get(job.recipe)
    if recipe is None:
        raise ExportError(
            f"{job.architecture} has no recipe {job.recipe!r}; available: {', '.join(course.recipes[job.architecture])}"
        )
    train, test = course.load(job.data)
    engine().make_deterministic()
    keras.utils.set_random_seed(job.seed)
    lesson = Lesson(job=job, course=course, recipe=recipe, epochs=job.epochs or recipe.epochs, train=train, test=test)
    write_model(Trainer(lesson).run(events), lesson)


def course_of(job: TrainingJob) -> Course:
    """The course that a job names.

    Raises:
        ExportError: It names something else.
    """
    module, _, name = job.course.partition(":")
    found: Any = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, Course):
        raise ExportError(f"{job.course} is not a course of training")
    return found


def write_model(model: Any, lesson: Lesson) -> None:
    """Writes a trained network for images of the full size, without the optimizer's state.

    Raises:
        OSError: There is no room.
    """
    bare = lesson.course.architectures[lesson.job.architecture](lesson.train.pixels.shape[1])
    write_bare(model, bare, Path(lesson.job.out))


def main() -> int:
    """Reads a job and trains."""
    events = EventStream.take_stdout()
    return events.guard(lambda: run(read_job(sys.stdin, TrainingJob), events))


if __name__ == "__main__":
    sys.exit(main())
