"""The web page in a real browser, over the live endpoint of a publisher in this process."""

from __future__ import annotations

import json

import pytest
from e2e.browser import Window, chromium
from publishing import Publisher
from telling import Told

from otel_stream.config import Settings
from otel_stream.live.server import serve
from otel_stream.tui.filter import compile_filter
from otel_stream.tui.record import line_of

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("default")]


class Site(Publisher):
    """A publisher whose page is served on a port."""

    def __init__(self, place, **settings):
        super().__init__()
        given = {"live": "tcp", "live_path": str(place), "live_text": True, **settings}
        self.server = serve(self.processor, Settings(**given))
        self.url = self.server.url
        self.token = json.loads(self.server.path.read_text())["token"]

    @property
    def address(self):
        return f"{self.url}#token={self.token}"


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def site(tmp_path):
    made = []

    def make(**settings):
        made.append(Site(tmp_path / f"live{len(made)}", **settings))
        return made[-1]

    yield make
    for one in made:
        one.server.close()


@pytest.fixture
def window(browser):
    opened = []

    def open_(address, *args, **options):
        found = Window(browser, *args, **options)
        opened.append(found)
        found.page.goto(address)
        return found

    yield open_
    for one in opened:
        one.__exit__()
        assert one.complaints == []


def test_streams_are_shown_as_they_go_and_come_from_nowhere_else(site, window):
    one = site()
    first = one.open("req_00000001", agent_type="codex", tenant="acme")
    shown = window(one.address)
    shown.until("document.querySelectorAll('#body tr').length === 1")

    one.say(first, "Hello")
    second = one.open("req_00000002", model="claude-sonnet-4-20250514", provider="anthropic")
    shown.until("document.querySelectorAll('#body tr').length === 2")
    one.fail(second, "overloaded")
    one.complete(first, 1234)
    shown.until("document.body.textContent.includes('1,234')")

    states = {row[0]: (row[1], row[2], row[4]) for row in shown.rows()}
    assert states == {
        "00000001": ("✓ completed", "gpt-4o", "codex@acme"),
        "00000002": ("✗ error", "claude-sonnet-4", ""),
    }
    assert {url.split("/")[2] for url in shown.asked} == {one.url.split("/")[2]}
    assert not [url for url in shown.asked if one.token in url.partition("#")[0]]


def test_the_token_leaves_the_address_at_once_and_a_reload_still_works(site, window):
    one = site()
    shown = window(one.address)
    shown.until("document.body.textContent.includes('missed 0') && window.otelStream.model.gateway")

    assert shown.page.url == one.url
    shown.page.reload()
    shown.until("window.otelStream.model.gateway")


def test_without_the_token_it_asks_and_a_wrong_one_is_told(site, window):
    one = site()
    shown = window(one.url)
    shown.expected.append("401")
    shown.page.wait_for_selector("#token:visible")
    shown.page.fill("#token", "wrong")
    shown.page.click("#ask button")
    shown.until("document.body.textContent.includes('That is not its token.')")

    shown.page.fill("#token", one.token)
    shown.page.click("#ask button")
    shown.until("window.otelStream.model.gateway")


def test_followed_text_is_text_and_nothing_else(site, window):
    """Whatever a model writes: no markup, no script, no escape."""
    one = site()
    stream = one.open("req_00000001", tenant="<b>acme</b>")
    shown = window(one.address)
    shown.page.click("#body tr")
    hostile = (
        "<img src=x onerror=\"document.title='hacked'\"><script>alert(1)</script>\x1b]52;c;QQ==\x07\u202e"
    )

    one.say(stream, "Let me think", "reasoning")
    one.say(stream, hostile + "\nsecond line")
    shown.until("document.querySelector('#text').textContent.includes('second line')")

    text = shown.page.inner_text("#text")
    assert "<img src=x onerror=" in text
    assert "·]52;c;QQ==··" in text
    assert "thinking, 12 characters" in text
    assert "Let me think" not in text
    assert shown.page.query_selector("#text img, #text script, td b") is None
    shown.page.click("#text summary")
    assert "Let me think" in shown.page.inner_text("#text")


def test_text_that_is_off_is_not_there(site, window):
    one = site(live_text=False)
    stream = one.open("req_00000001")
    shown = window(one.address)
    shown.page.click("#body tr")

    one.say(stream, "secret")
    shown.until("document.querySelector('#text').textContent.includes('6 characters')")

    assert "this gateway keeps text off the live feed" in shown.page.inner_text("#text")
    assert "secret" not in shown.page.content()


def test_filter_groups_errors_pause_and_keys(site, window):
    one = site()
    one.open("req_00000001")
    one.fail(one.open("req_00000002"))
    one.open("req_00000003", model="claude-sonnet-4")
    shown = window(one.address)
    shown.until("document.querySelectorAll('#body tr').length === 3")

    shown.page.keyboard.press("/")
    shown.page.keyboard.type("model:gpt modle:x")
    shown.until("document.querySelector('#problem').textContent.startsWith(\"modle:x: no field 'modle'\")")
    shown.page.fill("#filter", "model:gpt -state:error")
    shown.until("document.querySelectorAll('#body tr').length === 1")
    shown.page.keyboard.press("Escape")
    shown.until("document.querySelectorAll('#body tr').length === 3")
    shown.page.keyboard.press("e")
    shown.until("document.querySelectorAll('#body tr').length === 1")
    shown.page.keyboard.press("e")
    shown.page.select_option("#group", "model")
    shown.until("document.querySelector('#titles').textContent.startsWith('group')")
    groups = shown.rows()
    shown.page.click("#body tr:first-child")
    shown.until("document.querySelectorAll('#body tr').length === 1")
    shown.page.fill("#filter", "")
    shown.page.locator("#filter").blur()
    shown.page.keyboard.press("p")
    one.open("req_00000004")
    shown.until("document.querySelector('#from').textContent.includes('paused, 1 events since')")
    paused = len(shown.rows())
    shown.page.keyboard.press("p")
    shown.until("document.querySelectorAll('#body tr').length === 4")
    shown.page.click("#dismiss")
    shown.until("document.querySelectorAll('#body tr').length === 3")
    shown.page.keyboard.press("j")
    shown.until("document.querySelector('#details').textContent.includes('req_')")

    assert [row[0:2] for row in groups] == [["claude-sonnet-4", "1"], ["gpt-4o", "1"]]
    assert paused in {1, 3}


def test_sorting_by_titles(site, window):
    one = site()
    for number, model in enumerate(("b", "a", "c")):
        one.open(f"req_0000000{number}", model=model)
    shown = window(one.address)
    shown.until("document.querySelectorAll('#body tr').length === 3")

    shown.page.click("th[data-name=model] button")
    shown.until("document.querySelector('#body td:nth-child(3)').textContent === 'a'")
    up = [row[2] for row in shown.rows()]
    shown.page.click("th[data-name=model] button")
    shown.until("document.querySelector('#body td:nth-child(3)').textContent === 'c'")

    assert (up, [row[2] for row in shown.rows()]) == (["a", "b", "c"], ["c", "b", "a"])


def test_a_gateway_that_ends_is_told(site, window):
    one = site()
    one.open("req_00000001")
    shown = window(one.address)
    shown.until("document.querySelectorAll('#body tr').length === 1")

    shown.expected.append("ERR_")
    one.server.close()
    shown.until("document.querySelector('#from').textContent.includes('connecting')")


@pytest.mark.parametrize("size", ["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_wide_and_narrow_screens_light_and_dark(site, window, size, scheme):
    one = site()
    for number in range(30):
        one.say(one.open(f"req_{number:08}", agent_type="claude-code", tenant="acme"), "Hello " * 40)
    shown = window(one.address, size, color_scheme=scheme)
    shown.until("document.querySelectorAll('#body tr').length === 30")
    shown.page.click("#body tr")
    shown.until("!document.querySelector('#below').hidden")

    widths = shown.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    titles, cells = shown.page.evaluate(
        "['th', '#body tr:first-child td'].map(which => [...document.querySelectorAll(which)]"
        ".filter(one => one.offsetWidth).map(one => Math.round(one.getBoundingClientRect().x)))"
    )
    dark = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    shown.page.click("#theme")
    other = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert widths[0] <= widths[1]
    assert titles == cells
    assert dark != other


def story():
    """What gateways may say, gaps and late ends included, as (frame, now)."""
    told = Told()
    frames = []
    apply = told.model.apply

    def keep(key, frame, now):
        frames.append((frame, now))
        apply(key, frame, now)

    told.model.apply = keep
    told.snapshot(told.state("req_0", sequence=3, chunks=3, characters=40, idle_s=1.0, cost_usd=0.01))
    told.started("req_1", "gpt-4o", agent_type="codex", tenant="acme").wait(0.5)
    for _ in range(20):
        told.wait(0.3).said("Hello 日本 ", "req_1").said("hm", "req_0", "reasoning", sequence=None)
    told.lagged(7).started("req_2", "claude").wait(0.25).failed("req_2", "no quota", error_type="rate_limit")
    told.snapshot(told.state("req_1", sequence=30, chunks=30, characters=500, cost_usd=0.02),
                  recent=[told.finished("req_3")])  # fmt: skip
    told.said("late", "req_1", sequence=29).said("new", "req_1", sequence=31)
    told.completed("req_1", 100, 200, 0.5, duration_s=9.0, time_to_first_token_s=0.8).lagged(None)
    told.started("req_4", "gpt-4o-mini").wait(11).said("x", "req_4").wait(11).said("y", "req_0", sequence=9)
    return told, frames


FILTERS = [
    "", "gpt", "-model:gpt", "state:stalled,error", "ttft>1s", "cost>=0.5", "tokens<50", "age>1m",
    "error:rate", "who:codex@acme", "rate>0", "stall>5", "gap>100ms", 'model="gpt-4o"', "-",
]  # fmt: skip

READ = """([lines, now, filters]) => {
  const { Model, compileFilter } = window.otelStream, model = new Model();
  for (const [line, at] of lines) model.apply(JSON.parse(line), at);
  const rows = [...model.rows.values()];
  return {
    rows: rows.map(row => [
      row.id, row.state(now), row.tokens, row.about, row.cost, row.first, row.chunks, row.characters,
      row.age(now), row.silent(now), row.speed(now), row.gaps.percentile(.95), row.who, row.missing,
    ]),
    sums: [
      model.missed, model.missedUnknown, model.applied, model.ends, model.badEnds, model.cancelled,
      model.input, model.output, model.cost,
      model.bad.total(now), model.spent.total(now), model.characters.total(now),
      model.firstPercentile(.5, now), model.firstPercentile(.95, now),
    ],
    filtered: filters.map(text => rows.filter(row => compileFilter(text)(row, now)).map(row => row.id)),
  };
}"""


def figures(row, now):
    return [
        row.request_id, row.state(now), row.output_tokens, row.tokens_are_estimated, row.cost_usd,
        row.first_token_s, row.chunks, row.characters, row.age_s(now), row.silent_s(now),
        row.tokens_per_s(now), row.gap_s(0.95), row.who, row.said.missing,
    ]  # fmt: skip


def sums(model, now):
    return [
        model.missed, model.missed_unknown, model.applied, model.ends, model.bad_ends,
        model.outcomes["cancelled"], model.input_tokens,
        model.output_tokens, model.cost_usd, model.bad.total(now), model.spent.total(now),
        model.characters.total(now), model.first_token_s(0.5, now), model.first_token_s(0.95, now),
    ]  # fmt: skip


def test_the_pages_model_and_the_screens_are_the_same(site, window):
    """The same frames, in both languages: the same states, figures, sums and filters."""
    told, frames = story()
    lines = [(line_of("4711", frame).decode(), now / 1e9) for frame, now in frames]
    rows = list(told.model.rows.values())

    theirs = window(site().address).page.evaluate(READ, [lines, told.now / 1e9, FILTERS])

    for row, its in zip(rows, theirs["rows"], strict=True):
        assert its == pytest.approx(figures(row, told.now), abs=1e-3), row.request_id
    assert theirs["sums"] == pytest.approx(sums(told.model, told.now), abs=1e-3)
    for text, found in zip(FILTERS, theirs["filtered"], strict=True):
        wanted = compile_filter(text)
        assert found == [row.request_id for row in rows if wanted(row, told.now)], text
