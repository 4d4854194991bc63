"""What the tests of pages share: a page taken apart."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """What a page holds: its identifiers, references, alternative texts and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.pictures: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [told["id"]] if "id" in told else []
        self.references += [told["href"]] if "href" in told else []
        if tag == "svg":
            self.pictures.append(told.get("aria-label", ""))
        assert "src" not in told

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """Its words, with single spaces."""
        return " ".join(" ".join(self.words).split())


def needs_nothing_from_outside(text: str) -> None:
    """Fail if a page names an address, a script, a style sheet or picture from elsewhere."""
    assert len(text) < 5e6
    text = re.sub(r"data:image/png;base64,[\w+/=\s]*", "", text)
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|url\((?!#)", text)
    page = Page(text)
    assert not page.open
    assert len(set(page.ids)) == len(page.ids)
    local = {reference.removeprefix("#") for reference in page.references}
    local |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert local <= set(page.ids)
