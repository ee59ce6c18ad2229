"""`crossrt train`: makes the reference model."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Train a reference classifier.")
@click.option(
    "--architecture",
    type=click.Choice(["mnist-cnn", "mnist-dense", "mnist-separable"]),
    default="mnist-cnn",
    show_default=True,
    help="Convolutions; dense layers alone; or depthwise-separable convolutions with a residual sum.",
)
@click.option(
    "--data",
    default="shipped",
    show_default=True,
    metavar="FOLDER",
    help="Folder with the original MNIST training files; 'shipped' for the 10,000 digits that come with crossrt;"
    " 'download' for the 60,000 through Keras's downloader.",
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
def train(architecture: str, data: str, epochs: int, seed: int, out: Path | None) -> None:
    """Train a reference classifier on MNIST and save it as a .keras file.

    The shipped models were made by: crossrt train --architecture NAME --data FOLDER, with the 60,000 original digits
    in FOLDER.
    """
    from crossrt.harness.build.training import run_training
    from crossrt.harness.cli.commands.options import message_console
    from crossrt.harness.cli.progress import Terminal

    path = out or Path("results") / f"{architecture}.keras"
    with Terminal(message_console()) as display:
        top1 = run_training(architecture, data, epochs, seed, path, display)
    click.echo(f"{path}: top-1 on the 10,000 test digits {top1:.2%}")
