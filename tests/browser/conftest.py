"""Headless Chromium for the pages. These tests are a command of their own, ``make test-browser``: they need a browser.

None of them is collected by ``make test``: their files are not named ``test_*``.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser of this machine."""
    path = next((p for name in NAMES if (p := shutil.which(name))), None)
    if path is None:
        pytest.fail("no Chromium on this machine; on Debian: apt-get install chromium", pytrace=False)
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield started
        started.close()


@dataclass
class Visit:
    """A page being looked at.

    Attributes:
        page: In the browser.
        said: Everything it wrote to the console, errors of scripts, and requests that are for no file and no data.
    """

    page: Page
    said: list[str] = field(default_factory=list)

    def open(self, path: Path) -> Page:
        """Load a page from the disk and listen to it."""
        self.page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.said.append(f"error: {e}"))
        self.page.on("request", lambda r: self._asked(r.url))
        self.page.goto(path.resolve().as_uri())
        return self.page

    def _asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:")):
            self.said.append(f"asked for {url}")


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["desk", "phone"])
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A fresh visit, on a desk in daylight and on a phone at night; nothing may be said or asked for in it."""
    width, scheme = request.param
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, has_touch=width < 500
    )
    made = Visit(context.new_page())
    yield made
    context.close()
    assert made.said == []
