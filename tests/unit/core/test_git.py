"""Git in a folder whose configuration somebody else wrote: nothing of it is run, and a refusal is told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from crossrt.core.git import ask_git, git_state

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.org")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *IDENTITY, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "kept.txt").write_text("kept\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture
def trap(tmp_path) -> Path:
    """A program that leaves a mark where it was run."""
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nfalse\n")
    program.chmod(0o755)
    return program


def plant_fsmonitor(folder: Path, trap: Path) -> None:
    git(folder, "config", "core.fsmonitor", str(trap))


def plant_filter(folder: Path, trap: Path) -> None:
    git(folder, "config", "filter.trap.clean", str(trap))
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text("* filter=trap\n")
    os.utime(folder / "kept.txt", (1, 1))  # so that git has to compare its content


def plant_included_filter(folder: Path, trap: Path) -> None:
    plant_filter(folder, trap)
    git(folder, "config", "--unset", "filter.trap.clean")
    (folder / ".git" / "more").write_text(f'[filter "trap"]\nclean = {trap}\n')
    git(folder, "config", "include.path", "more")


def plant_hooks(folder: Path, trap: Path) -> None:
    hooks = folder / "hooks"
    hooks.mkdir()
    (hooks / "post-index-change").symlink_to(trap)
    git(folder, "config", "core.hooksPath", str(hooks))
    os.utime(folder / "kept.txt", (1, 1))


def plant_signatures(folder: Path, trap: Path) -> None:
    git(folder, "config", "log.showSignature", "true")
    git(folder, "config", "gpg.program", str(trap))
    signed = git(folder, "cat-file", "commit", "HEAD").replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n\n", 1
    )
    made = subprocess.run(
        ["git", "-C", folder, "hash-object", "-t", "commit", "-w", "--stdin"],
        input=f"{signed}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    git(folder, "update-ref", "HEAD", made.stdout.strip())


def plant_submodule(folder: Path, trap: Path) -> None:
    git(folder, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(folder), "sub")
    git(folder, "commit", "-q", "-m", "submodule")
    plant_fsmonitor(folder / "sub", trap)


@pytest.mark.parametrize(
    "plant",
    [plant_fsmonitor, plant_filter, plant_included_filter, plant_hooks, plant_signatures, plant_submodule],
)
def test_no_program_that_a_repository_names_is_run(repository, trap, plant, tmp_path):
    plant(repository, trap)
    state = git_state(repository)
    ask_git("show", "--no-patch", "--format=%at", "--end-of-options", "HEAD", folder=repository)
    assert state.revision == git(repository, "rev-parse", "HEAD")
    assert not (tmp_path / "ran").exists()


def test_uncommitted_changes_are_seen(repository):
    assert git_state(repository).is_dirty is False
    (repository / "new.txt").write_text("new")
    assert git_state(repository).is_dirty is True


def test_what_only_a_filter_of_the_repository_could_tell_is_not_known(repository, trap):
    plant_filter(repository, trap)
    assert git_state(repository).is_dirty is None


def test_an_environment_that_names_another_repository_is_not_followed(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git_state(repository).revision is not None


def test_outside_a_repository_and_before_the_first_commit_there_is_nothing_to_tell(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (git_state(tmp_path).revision, git_state(tmp_path).problem) == (None, None)
    git(tmp_path, "init", "-q")
    assert (git_state(tmp_path).revision, git_state(tmp_path).problem) == (None, None)


def test_a_folder_that_git_does_not_trust_is_told_with_the_way_out(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    import crossrt.core.git as module

    monkeypatch.setattr(module, "_KEPT_VARIABLES", ("GIT_TEST_ASSUME_DIFFERENT_OWNER",))
    state = git_state(repository)
    assert state.revision is None
    assert state.problem is not None
    assert f"git config --global --add safe.directory {repository}" in state.problem


def test_a_damaged_repository_is_told(repository):
    (repository / ".git" / "config").write_text("[core\n")
    assert "no revision noted" in str(git_state(repository).problem)


def test_a_missing_git_is_told_inside_a_repository_only(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git cannot be run" in str(git_state(repository).problem)
    assert git_state(tmp_path).problem is None
