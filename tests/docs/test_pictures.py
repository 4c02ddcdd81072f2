"""The pictures of the documentation are what their scripts draw, and show what the code does."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from docs.pictures import PICTURES, architecture, retry, states, window
from frontpay_async import Priority
from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.retry_policy import Failure, may_retry
from frontpay_async.batch.states import NEXT
from frontpay_async.settings import RetryPolicy

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"


def test_every_picture_has_its_script() -> None:
    """No picture lies there that nothing draws any more."""
    assert {path.name for path in FOLDER.glob("*.svg")} == PICTURES.keys()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_up_to_date(name: str) -> None:
    """What is committed is what ``python -m docs.pictures`` would write, twice the same."""
    drawn = PICTURES[name]()
    assert drawn == PICTURES[name]()
    assert (FOLDER / name).read_text(encoding="utf-8") == drawn


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_can_be_heard_and_stays_in_its_frame(name: str) -> None:
    """It has a title and a description, takes nothing from elsewhere, and draws nothing outside of itself."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314 - our own file
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert title.text
    assert len(description.text or "") > 100
    assert re.findall(r"\w+://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in root.iter(f"{SVG}rect"):
        x, y = float(box.attrib["x"]), float(box.attrib["y"])
        assert 0 <= x <= x + float(box.attrib["width"]) <= width
        assert 0 <= y <= y + float(box.attrib["height"]) <= height
    for words in root.iter(f"{SVG}text"):
        # A letter is about half as wide as its line is high; text aligned at its end grows to the left.
        x, wide = float(words.attrib["x"]), 5.5 * len(words.text or "")
        kind = words.attrib["class"].split()
        left = x - wide if "end" in kind else x - wide / 2 if "middle" in kind else x
        assert 0 <= left <= left + wide <= width, words.text


def test_every_chart_of_a_page_has_a_phone_form_and_dark_colours() -> None:
    """Both forms follow the reader's scheme; the screenshots of a terminal are dark in both."""
    docs = FOLDER.parent
    shown = {
        (page.parent / name).resolve()
        for page in docs.rglob("*.md")
        for name in re.findall(r"!\[[^]]*\]\(([^)]+\.svg)\)", page.read_text(encoding="utf-8"))
    }
    assert len(shown) == 12
    for path in shown:
        for form in (path, path.with_suffix(".phone.svg")):
            text = form.read_text(encoding="utf-8")
            assert path.name.startswith("cli-") or "@media (prefers-color-scheme: dark)" in text, form


def test_the_pipeline_is_drawn_as_it_is_composed() -> None:
    """The stages stand in the picture in the order in which a call passes them."""
    names = [stage.__name__ for stage in architecture.stages()]
    assert names == ["Retry", "Rate", "Deadline", "Auth", "BeforeSend", "Send"]
    shown = re.findall(r'class="bold"[^>]*>(\w+)<', (FOLDER / "architecture.svg").read_text("utf-8"))
    assert [each for each in shown if each in names] == names


def test_the_retry_picture_is_the_retry_table() -> None:
    """A cell is green, amber or red as ``may_retry`` decides with the usual and with the strict policy."""
    usual, strict = RetryPolicy(), RetryPolicy(retry_unsafe_server_errors=False)
    columns = (Failure.DID_NOT_HAPPEN, Failure.SERVER_FAILED, Failure.NO_USABLE_ANSWER, Failure.DECIDED)
    assert retry.table() == {
        safety: [
            retry.Client.STOPS
            if not may_retry(safety, failure, usual, 1)
            else retry.Client.AGAIN
            if may_retry(safety, failure, strict, 1)
            else retry.Client.BY_POLICY
            for failure in columns
        ]
        for safety in Safety
    }


def test_every_move_of_a_row_is_drawn_or_listed() -> None:
    """The arrows and the list under them are the table of states, no move more and none less."""
    text = (FOLDER / "states.svg").read_text(encoding="utf-8")
    listed = {
        (source, event): target for (event, target), sources in states.beside().items() for source in sources
    }
    drawn = len(re.findall(r"marker-end", text))
    assert drawn == len(re.findall("marker-end", (FOLDER / "states.phone.svg").read_text(encoding="utf-8")))
    assert drawn + len(listed) == len(NEXT)
    assert listed.items() <= NEXT.items()
    for (event, target), sources in states.beside().items():
        assert f"{event}: {', '.join(sources)} → {target}" in text


def test_an_arrow_that_the_table_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the table changes, the picture is not drawn before its arrows have."""
    (source, event), *_ = NEXT
    changed = {move: target for move, target in NEXT.items() if move != (source, event)}
    monkeypatch.setattr(states, "NEXT", changed)
    with pytest.raises(KeyError):
        states.draw()


def test_the_window_shows_what_it_is_about() -> None:
    """Interactive calls pass at once, above the line, and alone through the guard zone; none is refused."""
    scene = window.play()
    till = [each.at for each in scene.sent if each.priority is Priority.INTERACTIVE]
    assert till == list(window.TILL)
    assert scene.refused == 0
    assert len(scene.windows) == 2
    lo, hi = scene.bounds[1]
    assert hi - lo == window.LATENCY
    assert lo <= scene.windows[0] + window.WINDOW <= hi
    assert [each.priority for each in scene.sent if lo <= each.at < hi] == [Priority.INTERACTIVE]
    begin, full = scene.pace[1]
    batch = [each for each in scene.sent if each.priority is Priority.BATCH and each.generation == 1]
    line = [window.LIMIT * (each.at - begin) / (full - begin) - (each.used - 1) for each in batch]
    before = [gap for each, gap in zip(batch, line, strict=True) if each.at < till[0]]
    assert all(gap >= -1e-6 for gap in before)
    # After the interactive ones the batch goes on above the line, and is back on it at its end.
    assert min(line) < -1
    assert line[-1] >= -1
