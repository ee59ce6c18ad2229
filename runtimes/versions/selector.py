"""How a runtime is named where a version of it may be asked for: `NAME[==VERSION][:OPTIONS]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from crossrt.runtimes.errors import VersionRefusedError

_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+)*((a|b|rc|\.post|\.dev)[0-9]+)*(\+[a-z0-9.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A runtime as it was asked for.

    Attributes:
        name: The runtime with its options: what is left where the version is taken out.
        version: The version, or None for what is installed.
    """

    name: str
    version: str | None


def parse_selector(text: str) -> Selector:
    """A runtime, and the version that is asked for.

    Raises:
        VersionRefusedError: What stands behind the name is not one exact version.
    """
    head, colon, options = text.partition(":")
    name, sign, version = head.partition("==")
    if not sign:
        if match := re.match(r"[^<>=!~]*[<>=!~]", head):
            raise _not_exact(match.group()[:-1], head)
        return Selector(name=text, version=None)
    if not _VERSION.fullmatch(version) or not name:
        raise _not_exact(name, head)
    return Selector(name=f"{name}{colon}{options}", version=version)


def check_version(text: str) -> str:
    """A version that stands by itself; raises `VersionRefusedError` where it is none."""
    if not _VERSION.fullmatch(text):
        raise VersionRefusedError(f"{text!r} is not a version: write one such as 1.29.0")
    return text


def _not_exact(name: str, found: str) -> VersionRefusedError:
    return VersionRefusedError(
        f"{found!r} does not name one version: write NAME==VERSION, such as {name or 'ort-cpu'}==1.29.0"
    )


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
