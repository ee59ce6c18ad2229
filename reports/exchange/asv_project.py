"""The folder of an asv project: its asv.conf.json, its repository, and the files that are there already."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from crossrt.core.errors import parsing_problem
from crossrt.core.git import ask_git
from crossrt.core.install import install_command
from crossrt.core.owned import read_regular
from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.contents import as_json
from crossrt.reports.schema.files import UNREADABLE

CONFIGURATIONS: Final = ("asv.conf.json", "asv.conf.jsonc")
FORMAT_VERSION: Final = 1
"""Of asv.conf.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where asv looks for results and commits.

    Attributes:
        folder: Holds asv.conf.json.
        results: The folder of the results, relative to `folder` or absolute.
        repository: A local repository, or None where the configuration names a remote one.
        new_files: The text of asv.conf.json under its name, where the folder has none.
    """

    folder: Path
    results: Path
    repository: Path | None
    new_files: Mapping[str, str]

    def commit_date_ms(self, revision: str) -> int | None:
        """When a commit was made, as asv counts: milliseconds since 1970. None where the repository does not tell."""
        if self.repository is None or not self.repository.is_dir():
            return None
        said = ask_git(
            "show", "--no-patch", "--format=%at", "--end-of-options", f"{revision}^{{commit}}", folder=self.repository
        )
        return int(said) * 1000 if said is not None and re.fullmatch(r"\d{1,11}", said) else None


def open_project(folder: Path) -> Project:
    """The project in a folder, or a new one for the repository around the working folder.

    Raises:
        ReportError: Its configuration cannot be read, or there is no repository for a new one.
    """
    for name in CONFIGURATIONS:
        raw = existing_bytes(folder / name)
        if raw is not None:
            return _known_project(folder, folder / name, raw)
    return _new_project(folder)


def _known_project(folder: Path, path: Path, raw: bytes) -> Project:
    configuration = _parsed(path, raw)
    results, repository = (configuration.get(name, other) for name, other in (("results_dir", "results"), ("repo", "")))
    if not isinstance(results, str) or not isinstance(repository, str):
        raise ReportError(f"{path} has a results_dir or a repo that is not text: name a folder and a repository")
    return Project(folder=folder, results=Path(results), repository=folder / repository, new_files={})


def _new_project(folder: Path) -> Project:
    root = ask_git("rev-parse", "--show-toplevel", folder=Path())
    if not root:
        raise ReportError(
            f"asv draws its pages along the commits of a git repository, and {Path.cwd()} is outside of any: run this"
            f" inside the repository that was measured, or put an asv.conf.json that names it into {folder}"
        )
    configuration = {
        "version": FORMAT_VERSION,
        "project": Path(root).name,
        "repo": os.path.relpath(root, folder.resolve()),
        "dvcs": "git",
        "branches": [ask_git("rev-parse", "--abbrev-ref", "HEAD", folder=Path()) or "HEAD"],
        "results_dir": "results",
        "html_dir": "html",
    }
    files = {CONFIGURATIONS[0]: as_json(configuration)}
    return Project(folder=folder, results=Path("results"), repository=Path(root), new_files=files)


def existing_json(path: Path, version: int) -> dict[str, Any]:
    """The content of one of asv's files, or nothing where there is none.

    Raises:
        ReportError: It cannot be read, or is of another version of asv's format.
    """
    raw = existing_bytes(path)
    if raw is None:
        return {}
    content = _parsed(path, raw)
    if content.get("version") != version:
        raise ReportError(
            f"{path} has version {content.get('version')} of asv's format, and this crossrt adds to version {version}:"
            " update crossrt or run asv update, or choose another --out"
        )
    return content


def existing_bytes(path: Path) -> bytes | None:
    """What a file holds, or None where there is none; raises `ReportError` where it cannot be read."""
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}; choose another --out") from error


def _parsed(path: Path, raw: bytes) -> dict[str, Any]:
    """JSON, or JSON with the comments that asv allows."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except UNREADABLE as error:
        if path.name not in CONFIGURATIONS:
            raise ReportError(f"{path} is damaged: {parsing_problem(error)}; fix it or choose another --out") from error
    try:
        import json5

        content = json5.loads(raw.decode())
    except ModuleNotFoundError as error:
        raise ReportError(f"{path} has comments, and json5 reads them: {install_command('json5')}") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path} is damaged: {parsing_problem(error)}; fix it or choose another --out") from error
    if not isinstance(content, dict):
        raise ReportError(f"{path} is damaged: it does not hold a table; fix it or choose another --out")
    return content
