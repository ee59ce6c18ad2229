"""`crossrt --version`: versions of crossrt and of what it runs on, from metadata, without importing any of it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click


def print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Prints the lines and ends the command."""
    if not asked or context.resilient_parsing:
        return
    from crossrt.runtimes.registry import SHIPPED

    lines = [f"crossrt, version {version('crossrt')}"]
    lines.append(f"{platform.python_implementation()} {platform.python_version()}, {_system()}")
    for package in dict.fromkeys(each.package for each in SHIPPED.values()):
        names = ", ".join(name for name, each in SHIPPED.items() if each.package == package)
        lines.append(f"{package} {_installed(package)}: {names}")
    click.echo("\n".join(lines))  # at once, as other results: a reader who leaves meanwhile is none who missed a line
    context.exit()


def _system() -> str:
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def _installed(package: str) -> str:
    """The version, or that of another build of the same package."""
    from crossrt.core.install import installed_builds

    try:
        return version(package)
    except PackageNotFoundError:
        builds = installed_builds(package.replace("-", "_"))
        return ", ".join(f"({name} {found})" for name, found in builds.items()) or "not installed"
