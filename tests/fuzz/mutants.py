"""Hypothesis strategies that turn a sound file into a damaged or crafted one."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
import sqlite3
import zipfile
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

NUMBERS = (0, 1, -1, 2, 7, 255, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 0.5, -0.5, 1e-320, 1e30, 1e308, -1e308)
TEXTS = (
    "",
    " ",
    "a" * 300,
    "\x1b[31m\x07\u202e",
    "x\n::error::y",
    "../../x",
    "/",
    "\0",
    "nan",
    "int8",
    "float32",
    "\ud7ff",
    "[/red]",
    "$\\frac{",
    "%s{0}",
    "\\g<9>",
    "2026-13-99T99:99:99",
    "0001-01-01T00:00:00+23:59",
)
OTHERS = (None, True, False, [], {}, [[]], [None], {"": None}, "text", 1, 1.5)
MOST_REPEATS = 400


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every part of a document is."""
    if path:
        yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document[:30]):
            yield from places(value, (*path, index))


def _parent(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def _like(draw: st.DrawFn, value: Any, others: list[Any]) -> Any:
    """Mostly something of the same type, so that a mutant gets past the check of types."""
    if draw(st.integers(0, 7)) == 0:
        return draw(st.sampled_from(OTHERS))
    if isinstance(value, bool) or value is None:
        return draw(st.sampled_from(OTHERS))
    if isinstance(value, int | float):
        return draw(st.one_of(st.sampled_from(NUMBERS), st.integers(-3, 100), st.just(-value), st.just(value * 10)))
    if isinstance(value, str):
        same = [each for each in others if isinstance(each, str)]
        return draw(st.one_of(st.sampled_from(TEXTS), st.sampled_from(same or TEXTS)))
    if isinstance(value, list) and value:
        kept = draw(st.integers(0, len(value) - 1))
        repeated = value * draw(st.sampled_from((0, 2, 3, MOST_REPEATS // len(value) + 1)))
        return draw(st.sampled_from((value[:kept], value[::-1], [*value, value[kept]], repeated, [*value, None])))
    if isinstance(value, dict) and value:
        key = draw(st.sampled_from(sorted(value)))
        changed = {name: each for name, each in value.items() if name != key}
        return draw(st.sampled_from((changed, changed | {draw(st.sampled_from(TEXTS)): value[key]}, {})))
    return draw(st.sampled_from(OTHERS))


@st.composite
def documents(draw: st.DrawFn, document: Any) -> Any:
    """The document with one to four parts changed, removed or swapped."""
    changed = copy.deepcopy(document)
    everywhere = list(places(document))
    others = [_parent(document, path)[path[-1]] for path in everywhere]
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(everywhere))
        try:
            parent = _parent(changed, path)
            value = parent[path[-1]]
            if not isinstance(parent, dict | list):
                continue
        except (KeyError, IndexError, TypeError):
            continue  # an edit before this one has removed it
        if draw(st.integers(0, 9)) == 0:
            del parent[path[-1]]
        else:
            parent[path[-1]] = _like(draw, value, others)
    return changed


def as_json(document: Any) -> bytes:
    """JSON, lone surrogates and infinities included."""
    return json.dumps(document).encode()


def as_toml(document: dict[str, Any]) -> bytes:
    """TOML with everything in inline tables, which is shorter to write and means the same."""
    lines = [f"{json.dumps(str(key))} = {_toml(value)}" for key, value in document.items()]
    return "\n".join(lines).encode("utf-8", "replace")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan"
    return '""' if value is None else json.dumps(value)


@st.composite
def raw_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes cut off, overwritten, doubled or moved in one to four places, more often near the beginning."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        if not changed:
            break
        far = len(changed) - 1
        start = draw(st.one_of(st.integers(0, min(far, 200)), st.integers(0, far), st.integers(max(0, far - 200), far)))
        size = draw(st.sampled_from((1, 1, 2, 4, 8, 64, 1024)))
        how = draw(st.sampled_from(("flip", "flip", "write", "number", "cut", "remove", "double", "zero")))
        if how == "flip":
            changed[start] ^= 1 << draw(st.integers(0, 7))
        elif how == "write":
            changed[start : start + size] = draw(st.binary(min_size=size, max_size=size))
        elif how == "number":
            number = draw(st.sampled_from((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, far, far + 1)))
            changed[start : start + 4] = number.to_bytes(4, "little")
        elif how == "cut":
            del changed[start:]
        elif how == "remove":
            del changed[start : start + size]
        elif how == "double":
            changed[start:start] = changed[start : start + size]
        else:
            changed[start : start + size] = bytes(size)
    return bytes(changed)


@st.composite
def archives(draw: st.DrawFn, content: bytes) -> bytes:
    """A zip archive of which a member is damaged, missing, renamed or doubled, or whose bytes are changed."""
    if draw(st.integers(0, 3)) == 0:
        return draw(raw_bytes(content))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    index = draw(st.integers(0, len(members) - 1))
    name, member = members[index]
    how = draw(st.sampled_from(("damage", "damage", "damage", "drop", "rename", "empty", "double")))
    if how == "damage" and name.endswith(".json"):
        member = as_json(draw(documents(json.loads(member))))
    elif how == "damage":
        member = draw(raw_bytes(member))
    elif how == "rename":
        name = draw(st.sampled_from(("../x.npy", "/x.npy", "x", "labels.npy", "\n::error::x.npy", "a" * 300)))
    elif how == "empty":
        member = b""
    members[index : index + 1] = [] if how == "drop" else [(name, member)]
    if how == "double":
        members.append((f"b{name}", member))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for each, data in members:
            written.writestr(each, data)
    return file.getvalue()


@st.composite
def tables(draw: st.DrawFn, content: bytes) -> bytes:
    """A SQLite file with cells of one to three columns replaced, as far as the tables allow that."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(content)
        connection.execute("PRAGMA foreign_keys = OFF")
        names = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        for _ in range(draw(st.integers(1, 3))):
            table = draw(st.sampled_from(names))
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            column = draw(st.sampled_from(columns))
            numbers = [each for each in NUMBERS if isinstance(each, float) or abs(each) < 2**63]
            value = draw(st.one_of(st.none(), st.sampled_from((*numbers, *TEXTS)), st.binary(max_size=9)))
            try:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? WHERE rowid % 2 = ?", (value, draw(st.integers(0, 1)))
                )
            except (sqlite3.Error, UnicodeEncodeError):
                continue  # a constraint of the table
        connection.commit()
        return connection.serialize()
