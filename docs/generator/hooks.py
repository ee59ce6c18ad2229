"""What mkdocs calls: pages are made from the code, and links to files outside docs/ lead to pages that show them."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[1]))

from generator import links, reference

GUIDES: Final = "How-to guides"
REFERENCE: Final = "Reference"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Completes the navigation: generated pages in the reference, forgotten ones among the how-to guides."""
    nav: list[dict[str, Any]] = config.nav or []
    groups = {name: pages for group in nav for name, pages in group.items()}
    groups[REFERENCE] += reference.navigation()
    known = set(re.findall(r"[\w/.-]+\.md", str(nav)))
    groups[GUIDES] += sorted(
        page.name for page in Path(config.docs_dir).glob("*.md") if page.name not in known | {links.START}
    )
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made from the code, the README and the examples."""
    pages = reference.pages()
    pages[links.START] = _front(links.rewritten((links.ROOT / "README.md").read_text("utf-8"), "", links.START))
    texts = [((links.ROOT / "README.md").read_text("utf-8"), "")]
    texts += [(file.content_string, _folder(file.src_uri)) for file in files.documentation_pages()]
    waiting = [path for text, folder in texts for path in links.outside(text, folder)]
    while waiting:
        path = waiting.pop()
        if (page := links.page_of(path)) in pages:
            continue
        pages[page] = links.source_page(path)
        waiting += links.outside_of(path)
    for name, text in pages.items():
        file = File.generated(config, name, content=text)
        if name.startswith("sources/"):
            file.inclusion = file.inclusion.NOT_IN_NAV
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, **others: Any) -> str:  # noqa: ARG001 - mkdocs gives more
    """Turns links that are right in the repository into links of the site."""
    if page.file.generated_by:
        return markdown
    return links.rewritten(markdown, _folder(page.file.src_uri), page.file.src_uri)


def _folder(src_uri: str) -> str:
    return posixpath.dirname(f"docs/{src_uri}")


def _front(text: str) -> str:
    """The start page shows its title only, without marks for scripts."""
    return re.sub(r"^<!--.*?-->\n", "", text, flags=re.MULTILINE)
