"""What git says of a folder whose configuration anybody may have written: nothing that it names is run."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 10.0

_SETTINGS: Final = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "diff.external=",
    "log.showSignature=false",
    "protocol.allow=never",
    "status.submoduleSummary=false",
)
"""What a repository's own configuration may not decide: each names, or leads to, a program to run."""

_KEPT_VARIABLES: Final = ("GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
_KEPT_PREFIX: Final = "GIT_CONFIG_"
"""How users and systems say which folders they trust."""

_NO_REPOSITORY: Final = re.compile("not a git repository|Needed a single revision")
_NOT_TRUSTED: Final = re.compile("dubious ownership in repository at '(?P<folder>[^']*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """The state of a working folder.

    Attributes:
        revision: Its commit, or None outside a repository and where git does not tell.
        is_dirty: Whether it has uncommitted changes, or None where that is not known.
        problem: Why git does not tell, with a way out, or None.
    """

    revision: str | None = None
    is_dirty: bool | None = None
    problem: str | None = None


def git_state(folder: Path) -> GitState:
    """Commit and uncommitted changes of a folder; both None outside a repository."""
    try:
        found = _run(("rev-parse", "--verify", "HEAD"), folder)
    except OSError as error:
        is_repository = any((each / ".git").exists() for each in (folder.absolute(), *folder.absolute().parents))
        return GitState(problem=f"git cannot be run ({error.strerror}): no revision noted" if is_repository else None)
    except subprocess.TimeoutExpired:
        return GitState(problem=f"git took more than {_TIMEOUT_S:g} s: no revision noted")
    if found.returncode:
        return GitState(problem=_problem(found.stderr.decode(errors="replace")))
    return GitState(revision=_text(found), is_dirty=_is_dirty(folder))


def ask_git(*arguments: str, folder: Path) -> str | None:
    """What a git command prints, or None where it fails."""
    try:
        done = _run(arguments, folder)
    except (OSError, subprocess.SubprocessError):
        return None
    return None if done.returncode else _text(done)


def _is_dirty(folder: Path) -> bool | None:
    """None where the repository has filters of its own: to compare its files would run them."""
    scopes = ask_git("config", "--show-scope", "--name-only", "--get-regexp", ".*", folder=folder)
    if scopes is None or re.search(r"^(local|worktree)\s+filter\.", scopes, re.MULTILINE):
        return None
    # a submodule has a configuration of its own, so that its files are not looked at
    status = ask_git("status", "--porcelain", "--no-renames", "--ignore-submodules=dirty", folder=folder)
    return None if status is None else bool(status)


def _run(arguments: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[bytes]:
    settings = (part for each in _SETTINGS for part in ("-c", each))
    command = ("git", "--no-pager", "--no-optional-locks", "-C", str(folder), *settings, *arguments)
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
        env=_variables(),
    )


def _variables() -> dict[str, str]:
    """The environment without git's variables that name another repository or a program."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIX)
    }
    # no object is fetched, by whatever means the repository names
    return kept | {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _problem(said: str) -> str | None:
    if _NO_REPOSITORY.search(said):
        return None
    if (found := _NOT_TRUSTED.search(said)) is not None:
        name = found["folder"]
        return (
            f"git does not trust {name}, which another user owns: no revision noted;"
            f" if you trust it, run git config --global --add safe.directory {name}"
        )
    first = next(iter(said.strip().splitlines()), "without a message")
    return f"git fails ({first.removeprefix('fatal: ')}): no revision noted"


def _text(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stdout.decode(errors="replace").strip()
