"""Measures outputs of pages again: `python tests/benchmarks/page_outputs.py docs/emulated-cpu.md`, a quiet machine.

For blocks below `<!-- from: tests/benchmarks/page_outputs.py: COMMAND -->`, which take minutes, downloads or a
training, so that no test repeats them. COMMAND runs in a folder in which the lines of `BEFORE` ran. What it prints
replaces the block; where the block leaves lines out (`...`), progress is printed as well, and the parts are found again
by their first and last lines. A look at the difference decides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

ROOT: Final = Path(__file__).parents[2]
SELF: Final = str(Path(__file__).relative_to(ROOT))
sys.path.insert(0, str(ROOT / "docs"))

from generator.blocks import LEFT_OUT, Block, blocks  # noqa: E402 - the folder is no package of an installation
from generator.outputs import update, updated  # noqa: E402

EXAMPLES: Final = ROOT / "examples"
BEFORE: Final = {
    "emulated-cpu.md": (),
    "pytest.md": (
        "mv pytest-gate/* . && cp own-onnx/make.py make.py && python make.py",
        "pytest --crossrt-time 15 --crossrt-save baseline.json -k preprocessing",
        "sed -i 's|255 - 0.5|255 - 0.5 + np.zeros_like(pixels, np.float32)|' test_model.py",
    ),
    "quantization-aware-training.md": ("python own-keras/make.py && cp bars.keras own.keras",),
    "quantization.md": (),
    "runtime-versions.md": ("cp {root}/tests/data/models/conv.fp32.onnx/model.onnx own.onnx",),
}
"""What makes the files that commands of a page name, in a copy of the folder examples."""


def run(line: str, folder: Path, *, both: bool) -> str:
    """What a shell line prints: results alone, or both streams."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "CROSSRT_CACHE_DIR": str(folder / "cache"),
    }
    return subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if both else None,
        text=True,
        check=False,
    ).stdout


def measured(page: Path) -> list[Block]:
    """Blocks of a page whose outputs come from here."""
    return [block for block in blocks(page) if block.mark == "from" and block.source == SELF]


@click.command(help=__doc__.partition("\n\n")[2])
@click.argument("pages", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(pages: tuple[Path, ...]) -> None:
    """Runs the commands of pages and writes what they print."""
    for page in (each.resolve() for each in pages):
        if not (found := measured(page)):
            raise click.UsageError(f"{page.name} has no block from {SELF}")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
            for line in BEFORE[page.name]:
                click.echo(run(line.format(root=ROOT), folder, both=True), err=True)
            for block in found:
                printed = run(block.command, folder, both=LEFT_OUT in block.text.splitlines())
                click.echo(printed)
                update(page, {block.line: updated(block, [line.rstrip() for line in printed.splitlines()])})


if __name__ == "__main__":
    main()
