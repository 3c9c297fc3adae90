"""The pages in a browser: the divider drags, the player steps and plays, the keyboard does it all, a phone shows it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.report.runs import small_job
from vidinternal.core.hints import Hints, read_hints
from vidinternal.core.timecode import FrameIndex
from vidinternal.report.batch_page import Line, clip_page, write_batch_page
from vidinternal.report.run_page import write_run_page
from vidinternal.runner.run import run_job

READY = "#stage[data-state=ready]"
NAMES = ("b.mkv", "<i>a.mkv", "c.mkv")


@pytest.fixture(scope="session")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a batch of one clip that is done, one whose name is markup, and one that failed."""
    folder = tmp_path_factory.mktemp("pages")
    path = folder / "all.html"
    for name, frames in zip(NAMES[:2], (14, 9), strict=True):
        job = small_job(folder / f"job-{frames}", name=name, frames=frames)
        write_run_page(job, run_job(job), clip_page(path, name), up="../all.html")
    scores = (30.5, 20.25, None)
    status = ("done", "done", "failed")
    lines = [Line(n, s, "no film" * (s == "failed"), e) for n, s, e in zip(NAMES, status, scores, strict=True)]
    write_batch_page(lines, path)
    return path


@pytest.fixture
def page(visit: Visit, batch: Path) -> Page:
    """The page of a clip, ready."""
    opened = visit.open(clip_page(batch, "b.mkv"))
    opened.wait_for_selector(READY)
    return opened


def frame(page: Page) -> int:
    """The frame that is drawn."""
    return int(page.locator("#stage").get_attribute("data-frame") or -1)


def drawn(page: Page, number: int) -> None:
    """Wait until a frame is drawn."""
    expect(page.locator("#stage")).to_have_attribute("data-frame", str(number))


def pixel(page: Page, canvas: str, x: int, y: int) -> list[int]:
    """A pixel of a canvas, read from a copy, so that the page's own is not slowed down."""
    return page.evaluate(
        """([id, x, y]) => { const copy = document.createElement('canvas'); copy.width = copy.height = 1;
        const context = copy.getContext('2d', { willReadFrequently: true });
        context.drawImage(document.getElementById(id), -x, -y);
        return [...context.getImageData(0, 0, 1, 1).data]; }""",
        [canvas, x, y],
    )


def eventually(page: Page, true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    for _ in range(500):
        if true():
            return
        page.wait_for_timeout(20)
    assert true()


def share(page: Page) -> int:
    """Where the divider stands, per cent."""
    return int(page.locator("#divider").get_attribute("aria-valuenow") or -1)


def test_the_divider_drags_and_uncovers_the_result(page: Page) -> None:
    stage = page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    at = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, at)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, at, steps=4)
    assert share(page) == 25
    assert "75%" in page.evaluate("getComputedStyle(document.getElementById('before')).clipPath")
    page.mouse.move(box["x"] + box["width"] * 3, at)
    assert share(page) == 100
    page.mouse.up()
    page.mouse.move(box["x"] + 5, at)
    assert share(page) == 100


def test_the_divider_moves_by_keyboard_and_says_where_it_is(page: Page) -> None:
    divider = page.locator("#divider")
    divider.focus()
    before = frame(page)
    for key, where in (("ArrowRight", 52), ("Shift+ArrowRight", 62), ("ArrowLeft", 60), ("Home", 0), ("End", 100)):
        page.keyboard.press(key)
        assert share(page) == where
    assert divider.get_attribute("aria-valuetext") == "100 % before, 0 % after"
    assert frame(page) == before


def test_the_player_steps_frame_by_frame(page: Page) -> None:
    start = frame(page)
    page.click("#on")
    drawn(page, start + 1)
    expect(page.locator("#where")).to_contain_text(f"frame {start + 1} of 14")
    page.click("#back")
    drawn(page, start)
    page.locator("#place").fill("13")
    drawn(page, 13)
    page.click("#on")
    drawn(page, 13)
    page.locator("#place").fill("0")
    page.click("#back")
    drawn(page, 0)


def test_pictures_change_with_the_frame_and_the_hole_is_filled(page: Page) -> None:
    page.locator("#place").fill("3")
    drawn(page, 3)
    inside = [pixel(page, canvas, 28, 17) for canvas in ("before", "after")]
    outside = [pixel(page, canvas, 5, 5) for canvas in ("before", "after")]
    assert max(abs(a - b) for a, b in zip(*outside, strict=True)) < 30
    assert all(p[3] == 255 for p in (*inside, *outside))
    first = pixel(page, "before", 5, 40)
    page.locator("#place").fill("12")
    drawn(page, 12)
    assert pixel(page, "before", 5, 40) != first


def test_the_keyboard_alone_plays_steps_and_chooses_layers(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    start = frame(page)
    page.keyboard.press("ArrowRight")
    drawn(page, start + 1)
    page.keyboard.press(",")
    drawn(page, start)
    page.keyboard.press("2")
    expect(page.locator("#stage")).to_have_attribute("data-layer", "k")
    page.keyboard.press("0")
    expect(page.locator("#stage")).to_have_attribute("data-layer", "none")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    expect(page.locator("#stage")).to_have_attribute("data-playing", "yes")
    expect(page.locator("#stage")).not_to_have_attribute("data-frame", str(start))
    page.keyboard.press("Space")
    expect(page.locator("#stage")).to_have_attribute("data-playing", "no")


def test_playing_shows_frames_at_their_own_times_and_ends(page: Page) -> None:
    page.uncheck("#loop")
    page.locator("#place").fill("0")
    drawn(page, 0)
    page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => window.seen.push([performance.now(),
        Number(document.getElementById('stage').dataset.frame)])).observe(document.getElementById('stage'),
        { attributes: true, attributeFilter: ['data-frame'] }); window.began = performance.now(); }"""
    )
    page.click("#play")
    drawn(page, 13)
    expect(page.locator("#play")).to_have_text("Play")
    began, seen = page.evaluate("[window.began, window.seen]")
    numbers = [n for _, n in seen]
    assert numbers == sorted(numbers) and numbers[-1] == 13
    # a frame is never shown before its time; how late a busy machine shows it is not for a test to say
    assert all(at - began >= 1000 * n / 24 - 40 for at, n in seen)


@pytest.mark.parametrize("layer", ["m", "k", "e", "r"])
def test_layers_are_laid_over_the_hole_and_taken_away(page: Page, layer: str) -> None:
    page.locator("#place").fill("4")
    drawn(page, 4)
    page.click(f"label:has(input[value={layer}])")
    expect(page.locator("#stage")).to_have_attribute("data-layer", layer)
    eventually(page, lambda: pixel(page, "over", 28, 17)[3] > 100)
    assert (pixel(page, "over", 2, 2)[3] == 0) == (layer != "r")
    expect(page.locator(f".key[data-layer={layer}]")).to_be_visible()
    expect(page.locator("#strength")).to_be_visible()
    page.click("label:has(input[value=none])")
    eventually(page, lambda: pixel(page, "over", 28, 17)[3] == 0)
    expect(page.locator(".key:visible")).to_have_count(0)


def test_a_pixel_under_the_pointer_says_what_it_is_made_of(page: Page) -> None:
    page.locator("#place").fill("4")
    drawn(page, 4)
    page.click("label:has(input[value=k])")
    expect(page.locator("#stage")).to_have_attribute("data-layer", "k")
    stage = page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 28.5 / 64, box["y"] + box["height"] * 17.5 / 48)
    expect(page.locator("#readout")).to_contain_text("this pixel: co")
    expect(page.locator("#readout")).to_contain_text("of 255 codes")
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    expect(page.locator("#readout")).to_have_text("")


def test_the_worst_frames_are_a_click_away_and_the_timeline_leads_anywhere(page: Page) -> None:
    mark = page.locator(".worst button").first
    worst = int(mark.get_attribute("data-worst") or -1)
    page.locator("#place").fill("0")
    drawn(page, 0)
    mark.click()
    drawn(page, worst)
    expect(mark).to_have_attribute("aria-current", "true")
    line = page.locator("#timeline svg")
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 12.5 / 14, box["y"] + box["height"] * 0.8)
    drawn(page, 12)
    page.locator("#timeline .mark").first.focus()
    page.keyboard.press("Enter")
    drawn(page, worst)


def fits(page: Page) -> None:
    """Nothing needs scrolling sideways, and what is to be pressed is large enough for a finger."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for small in ("#play", "#on", "#back", "#copy"):
        box = page.locator(small).bounding_box()
        assert box is not None and box["height"] >= 32


def test_the_page_fits_with_everything_open(page: Page) -> None:
    fits(page)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.click("label:has(input[value=k])")
    fits(page)


def test_whatever_can_be_focused_has_a_name(page: Page) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, [tabindex]')].filter((e) =>
        !(e.getAttribute('aria-label') || e.textContent.trim() || (e.labels && e.labels.length)))
        .map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_the_command_is_copied_or_at_least_selected(page: Page) -> None:
    page.click("#copy")
    expect(page.locator("#copy")).to_contain_text("Cop")
    expect(page.locator("#copy")).not_to_have_text("Copy the command")
    assert page.evaluate("String(getSelection())").startswith("vidinternal run inpaint")


def test_injected_scripts_do_not_run(visit: Visit, batch: Path, tmp_path: Path) -> None:
    text = clip_page(batch, "b.mkv").read_text(encoding="utf-8")
    bad = tmp_path / "bad.html"
    bad.write_text(text.replace("<main>", "<main><script>document.title='taken'</script>", 1), encoding="utf-8")
    page = visit.open(bad)
    page.wait_for_selector(READY)
    assert page.title() == "clean-b.mkv"
    assert all("Content Security Policy" in said for said in visit.said) and visit.said
    visit.said.clear()


def names(page: Page) -> list[str]:
    """Of the clips, in the order shown."""
    return [text.split("\n")[0] for text in page.locator("tbody td.path").all_inner_texts()]


def test_a_batch_is_sorted_and_leads_to_its_clips_and_back(visit: Visit, batch: Path) -> None:
    page = visit.open(batch)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert names(page) == list(NAMES)
    choose: Callable[[int], object]
    if page.locator("thead").is_visible():
        heads = page.locator("th button")
        choose = lambda k: heads.nth(k).click()  # noqa: E731
    else:
        choose = lambda k: page.locator("#order").select_option(str(k))  # noqa: E731
    choose(2)
    assert names(page) == ["<i>a.mkv", "b.mkv", "c.mkv"]
    if page.locator("thead").is_visible():
        page.locator("th button").nth(2).focus()
        page.keyboard.press("Enter")
        assert names(page) == ["b.mkv", "<i>a.mkv", "c.mkv"]
        assert page.locator("th").nth(3).get_attribute("aria-sort") == "descending"
    loaded = page.evaluate("[...document.images].map((i) => i.complete && i.naturalWidth > 0)")
    assert loaded == [True] * 4
    page.click("text='<i>a.mkv'")
    page.wait_for_selector(READY)
    page.click("text=All clips of this batch")
    expect(page.locator("h1")).to_have_text("3 clips")


def saved(page: Page, folder: Path) -> Hints:
    """The hints file that the page offers, read as the program reads it."""
    with page.expect_download() as given:
        page.click("#mark-save")
    path = folder / given.value.suggested_filename
    given.value.save_as(path)
    assert path.name == "hints.json"
    return read_hints(path)


def test_a_box_is_drawn_and_saved_as_hints(page: Page, tmp_path: Path) -> None:
    page.locator("#marking summary").click()
    page.locator("#place").fill("5")
    drawn(page, 5)
    divider = share(page)
    page.click("#mark-draw")
    stage = page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    wide, high = page.evaluate("JSON.parse(document.getElementById('facts').textContent).source")
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    assert share(page) == divider
    page.click("#mark-add")
    (hint,) = saved(page, tmp_path).hints
    assert (hint.kind, hint.name, hint.at) == ("box", "object", FrameIndex(5))
    wanted = (0.25 * wide, 0.25 * high, 0.5 * wide, 0.25 * high)
    assert all(abs(a - b) <= 2 for a, b in zip(hint.numbers, wanted, strict=True))
    page.click("#mark-draw")
    expect(page.locator("#pad")).to_be_hidden()


def test_boxes_are_typed_named_limited_in_time_and_taken_back(page: Page, tmp_path: Path) -> None:
    page.locator("#marking summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#mark-add")).to_be_disabled()
    for field, value in (("x", "3"), ("y", "4"), ("w", "10"), ("h", "8"), ("name", "dog"), ("from", "2"), ("to", "9")):
        page.locator(f"#mark-{field}").fill(value)
    page.click("#mark-add")
    page.locator("#mark-kind").select_option("exclude")
    page.click("#mark-add")
    hints = saved(page, tmp_path)
    assert [h.name for h in hints.hints] == ["dog"] and hints.hints[0].numbers == (3, 4, 10, 8)
    assert hints.spans is not None and len(hints.spans["dog"]) == 1 and len(hints.excluded) == 1
    page.locator("#mark-w").fill("100000")
    expect(page.locator("#mark-add")).to_be_disabled()
    for _ in range(2):
        page.locator("#marks button").first.click()
    expect(page.locator("#mark-save")).to_be_hidden()
