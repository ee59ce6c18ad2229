"""`crossrt train`: makes a bundled model again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Train a bundled reference model again.")
@click.option("--architecture", metavar="NAME", help="Which model; a wrong name lists them.  [default: the reference]")
@click.option(
    "--data",
    metavar="FOLDER",
    help="Folder with the original training files of the bundled data set; 'shipped' for the samples that come with"
    " crossrt; 'download' for all of them through Keras's downloader.  [default: shipped]",
)
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True)
@click.option(
    "--seed", type=click.IntRange(min=0), default=2, show_default=True, help="Seed of weights, order and shifts."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .keras file to write.  [default: results/ARCHITECTURE.keras]",
)
def train(architecture: str | None, data: str | None, epochs: int, seed: int, out: Path | None) -> None:
    """Train a bundled reference classifier and save it as a .keras file.

    The shipped models were made by: crossrt train --architecture NAME --data FOLDER, with the original training files
    in FOLDER.
    """
    from crossrt.harness.build.training import architectures, run_training
    from crossrt.harness.cli.shared.options import message_console
    from crossrt.reports.text.progress import Terminal

    name = architecture or architectures()[0]
    path = out or Path("results") / f"{name}.keras"
    with Terminal(message_console()) as display:
        top1 = run_training(name, data, epochs, seed, path, display)
    click.echo(f"{path}: top-1 on the test samples {top1:.2%}")
