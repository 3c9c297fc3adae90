"""Reads a page as a browser would, as far as that goes without one."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "img", "link", "input", "br", "path", "rect", "line", "use"}


class Page(HTMLParser):
    """Checks that tags are balanced; gathers what a page links to, its scripts and its text.

    Attributes:
        links: Every address in it.
        scripts: Content of every script by id; "" is the one that runs.
        ids: Every id.
        text: What a person reads.
        policy: What browsers are told to allow.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.scripts: dict[str, str] = {}
        self.ids: list[str] = []
        self.text = self.policy = ""
        self._open: list[tuple[str, str]] = []
        self.raw = path.read_text(encoding="utf-8")
        self.feed(self.raw)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [v for k, v in given.items() if k in ("src", "href", "xlink:href", "action", "srcset")]
        self.policy += given["content"] if given.get("http-equiv") == "Content-Security-Policy" else ""
        assert not any(name.startswith("on") for name in given)
        if tag not in VOID:
            self._open.append((tag, given.get("id", "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "script":
            self.scripts[self._open[-1][1]] = data
        elif not self._open or self._open[-1][0] != "style":
            self.text += data

    def json(self, name: str) -> Any:
        """One of its blocks of data."""
        return json.loads(self.scripts[name])

    def needs_nothing(self) -> None:
        """Nothing is looked up elsewhere, and browsers are told so; only our own script may run."""
        own = base64.b64encode(hashlib.sha256(self.scripts[""].encode()).digest()).decode()
        assert f"script-src 'sha256-{own}'" in self.policy and "default-src 'none'" in self.policy
        assert all(link.startswith(("data:", "#")) or ":" not in link for link in self.links)
        assert not re.search(r"@import|url\((?!#|data:)", self.raw)
        assert len(self.ids) == len(set(self.ids))
