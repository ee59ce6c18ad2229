"""`crossrt train`: trains a bundled architecture from scratch."""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.cli.shared.json_output import json_option


class _Listing(click.Command):
    """Its help ends with what can be trained."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Adds architectures, recipes and data of each data set."""
        from crossrt.datasets.reference import references

        default = next(name for each in references() for name in each.architectures)
        with formatter.section(f"Architectures (default: {default}) and recipes (the first is the default)"):
            for each in references():
                recipes = f"recipes {', '.join(each.recipes)}" if each.recipes else "one recipe"
                epochs = f", {each.epochs} epochs" if each.epochs else ""
                data = "--data must be given" if each.how_to_get else f"--data {each.training_data[0]} by default"
                formatter.write_text(f"{each.dataset}: {', '.join(each.architectures)} ({recipes}{epochs}; {data})")


@click.command(cls=_Listing, short_help="Train a bundled architecture from scratch.")
@click.option("--architecture", metavar="NAME", help="Which; they are listed below.  [default: the first of them]")
@click.option(
    "--data",
    metavar="FOLDER",
    help="Folder with the original files of the data set of the architecture; 'download' gets them through Keras's"
    " downloader; 'shipped' is what comes with crossrt, for some only enough to try the command on."
    "  [default: see below]",
)
@click.option("--recipe", metavar="NAME", help="How to train; they are listed below.  [default: the first of them]")
@click.option("--epochs", type=click.IntRange(min=1), help="How often all samples are seen.  [default: by the recipe]")
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of weights, order and shifts.  [default: by the data set]"
)
@click.option("--resume", is_flag=True, help="Go on after the last checkpoint beside --out.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .keras file to write.  [default: results/ARCHITECTURE.keras]",
)
@json_option
def train(
    architecture: str | None,
    data: str | None,
    recipe: str | None,
    epochs: int | None,
    seed: int | None,
    resume: bool,
    out: Path | None,
) -> None:
    """Train a bundled classifier from scratch and save it as a .keras file.

    The shipped models were made by: crossrt train --architecture NAME --data FOLDER, with the original training files
    in FOLDER. Where training takes hours, a checkpoint is kept after every epoch: --resume goes on after an
    interruption, with the same result.

    \b
    crossrt train
    crossrt train --architecture NAME --data FOLDER --recipe paper --out big.keras
    crossrt train --architecture NAME --data FOLDER --recipe paper \\
        --out big.keras --resume
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.harness.build.training import TrainingRequest, architectures, run_training
    from crossrt.reports.text.progress import Terminal

    name = architecture or architectures()[0]
    path = out or Path("results") / f"{name}.keras"
    request = TrainingRequest(
        architecture=name, out=path, data=data, recipe=recipe, epochs=epochs, seed=seed, resumes=resume
    )
    with Terminal(message_console()) as display:
        top1 = run_training(request, display)
    result_console().print(f"{path}: top-1 on the test samples {top1:.2%}", soft_wrap=True)
