"""Markdown in the terminal, with blocks of code and output as they are: lines that are too long go on in the next."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Markdown, MarkdownElement
from rich.syntax import Syntax


class _WholeLines(CodeBlock):
    """A block whose lines are neither cut nor broken at words, so that columns stay where they are."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text = Syntax("", self.lexer_name, theme=self.theme).highlight(str(self.text).rstrip())
        text.no_wrap, text.overflow = True, "ignore"
        yield text


class Page(Markdown):
    """A page of the documentation; print it with `crop=False`."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "fence": _WholeLines,
        "code_block": _WholeLines,
    }
