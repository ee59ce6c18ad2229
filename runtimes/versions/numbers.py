"""Versions: what is one, which is newer, and which are releases."""

from __future__ import annotations

import re
from typing import Final

from crossrt.core.errors import quoted
from crossrt.runtimes.errors import VersionRefusedError

_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+)*((a|b|rc|\.post|\.dev)[0-9]+)*(\+[a-z0-9.]+)?")


def check_version(text: str) -> str:
    """The same version; raises `VersionRefusedError` where it is none, or leaves a part open."""
    if not _VERSION.fullmatch(text):
        raise VersionRefusedError(f"{quoted(text)} does not name one version: write it such as 1.29.0")
    return text


def version_key(version: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What sorts versions by age, and is the same for `1.29` and `1.29.0`; those that are no releases come first."""
    release, marks = _parts(version)
    return _without_zeros(release), (0, *marks) if marks else (1,)


def is_release(version: str) -> bool:
    """False for previews, nightly builds and what is not written like a version."""
    return re.fullmatch(r"[0-9]+(\.[0-9]+)*(\.post[0-9]+)?", version) is not None


def _parts(version: str) -> tuple[list[int], list[int]]:
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    head = match.group() if match else "0"
    later = [int(each) for each in re.findall(r"[0-9]+", version[len(head) :])]
    is_later = version[len(head) :].startswith((".post", "+"))
    return [int(each) for each in head.split(".")] + ([0, 0, *later] if is_later else []), [] if is_later else later


def _without_zeros(release: list[int]) -> tuple[int, ...]:
    kept = list(release)
    while len(kept) > 1 and kept[-1] == 0:
        kept.pop()
    return tuple(kept)
