"""Processes of their own and packages of other people, for tests of what is imported when."""

import os
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def python(site):
    """`python(*arguments)` runs an interpreter that sees the packages of `site`."""

    def python(*arguments):
        return subprocess.run(
            [sys.executable, "-P", *arguments],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )

    return python


@pytest.fixture
def printed(python):
    """`printed(code)` runs a program and gives what it prints."""

    def printed(code):
        ended = python("-c", textwrap.dedent(code))
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    return printed


@pytest.fixture
def site(tmp_path):
    """A folder of installed packages, empty at first."""
    site = tmp_path / "site"
    site.mkdir()
    return site


@pytest.fixture
def install(site):
    """`install(package, source, **runtimes)` leaves a package in `site` as an installer would, with its runtimes."""

    def install(package, source, **runtimes):
        metadata = site / f"{package}-1.0.dist-info"
        for folder in (site / package, metadata):
            folder.mkdir()
        (site / package / "__init__.py").write_text(textwrap.dedent(source))
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        points = [f"{name} = {target}" for name, target in runtimes.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[crossrt.runtimes]", *points, ""]))

    return install
