import re
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fetch.live import robots
from pipeline.fetch.live.robots import Standing, parse, standing
from pipeline.ledger import Reason

SLOWEST_SECONDS = 0.1


def allowed(text: str, path: str, *tokens: str) -> bool:
    return parse(text.encode(), tokens or (robots.TOKEN,)).ending(f"http://example.org{path}") is None


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, Standing.PRESENT), (204, Standing.PRESENT), (304, Standing.ABSENT), (400, Standing.ABSENT),
        (401, Standing.ABSENT), (403, Standing.ABSENT), (404, Standing.ABSENT), (410, Standing.ABSENT),
        (429, Standing.UNREACHABLE), (451, Standing.ABSENT), (500, Standing.UNREACHABLE), (503, Standing.UNREACHABLE),
        (599, Standing.UNREACHABLE), (999, Standing.UNREACHABLE),
    ],
)  # fmt: skip
def test_status_codes(status: int, meaning: Standing) -> None:
    assert standing(status) is meaning


def test_our_own_group_counts_and_everyone_s_only_where_there_is_none() -> None:
    text = "User-agent: *\nDisallow: /\n\nUser-agent: webtext\nDisallow: /private\n"
    assert allowed(text, "/page")
    assert not allowed(text, "/private/page")
    assert not allowed(text.replace("webtext", "othertext"), "/page")


@pytest.mark.parametrize(
    "agent",
    ["webtext", "WebText", "WEBTEXT/1.0", "webtext (a corpus)", "webtext # not everyone", " webtext ", "webtext*"],
)
def test_spellings_of_our_name(agent: str) -> None:
    assert not allowed(f"User-agent: {agent}\nDisallow: /", "/")


@pytest.mark.parametrize("agent", ["web", "text", "webtexts", "webtext-news", "mywebtext", "webtext_old", ""])
def test_names_that_are_not_ours(agent: str) -> None:
    assert allowed(f"User-agent: {agent}\nDisallow: /", "/")


@pytest.mark.parametrize(
    "line", ["Disallow: /p", "disallow:/p", "DISALLOW : /p", "Disallow /p", "dissallow: /p", "\tDisallow:\t/p\t# why"]
)
def test_spellings_of_a_rule(line: str) -> None:
    assert not allowed(f"User-agent: *\n{line}\n", "/page")


def test_rules_before_any_agent_mean_nobody() -> None:
    assert allowed("Disallow: /\nUser-agent: webtext\nDisallow: /x", "/")


def test_groups_of_one_name_are_one_group() -> None:
    text = "User-agent: webtext\nDisallow: /a\n\nUser-agent: other\nDisallow: /b\n\nUser-agent: webtext\nDisallow: /c\n"
    assert [allowed(text, path) for path in ("/a", "/b", "/c")] == [False, True, False]


def test_a_crawl_delay_between_two_groups_keeps_them_apart() -> None:
    text = "User-agent: *\nCrawl-delay: 7\nUser-agent: badbot\nDisallow: /\n"
    assert allowed(text, "/")
    assert parse(text.encode()).crawl_delay == 7


def test_the_longest_rule_decides_and_allow_wins_a_tie() -> None:
    text = "User-agent: *\nDisallow: /\nAllow: /open\nDisallow: /open/not\nAllow: /open/not\n"
    assert not allowed(text, "/other")
    assert allowed(text, "/open/page")
    assert allowed(text, "/open/not")


def test_wildcards_and_ends() -> None:
    text = "User-agent: *\nDisallow: /*.pdf$\nDisallow: /*?print="
    assert not allowed(text, "/a/b.pdf")
    assert allowed(text, "/a/b.pdf?x=1")
    assert not allowed(text, "/a?print=1")


def test_also_obeying_others_adds_their_rules() -> None:
    text = "User-agent: GPTBot\nDisallow: /\n\nUser-agent: *\nDisallow: /p\nCrawl-delay: 3\n\n"
    text += "User-agent: ccbot\nCrawl-delay: 9\n"
    assert allowed(text, "/")
    assert not allowed(text, "/", "webtext", "gptbot")
    assert not allowed(text, "/p", "webtext", "ccbot")
    assert parse(text.encode(), ("webtext", "ccbot")).crawl_delay == 9


@pytest.mark.parametrize(
    ("lines", "delay"),
    [
        ("Crawl-delay: 5", 5), ("crawl-delay: 0.5", 0.5), ("Crawl-delay: ten", None), ("Crawl-delay: -1", None),
        ("Crawl-delay: nan", None), ("Crawl-delay: inf", None), ("Crawl-delay: 1e9", 1e9), ("Crawl-delay:", None),
        ("Request-rate: 1/10", 10), ("Request-rate: 1/2m", 120), ("Request-rate: 10/1", 0.1),
        ("Request-rate: x/0", None), ("Request-rate:", None), ("Crawl-delay: 5\nRequest-rate: 1/7", 7),
    ],
)  # fmt: skip
def test_delays(lines: str, delay: float | None) -> None:
    assert parse(f"User-agent: *\n{lines}\n".encode()).crawl_delay == delay


def reason(text: str, path: str = "/page", *tokens: str) -> str | None:
    ending = parse(text.encode(), tokens or (robots.TOKEN,)).ending(f"http://example.org{path}")
    return None if ending is None else ending.reason


def test_words_against_training_are_an_opt_out() -> None:
    managed = "User-agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /\n"
    assert reason(managed) == Reason.OPT_OUT
    assert parse(managed.encode()).ending("http://example.org/", honour_opt_out=False) is None
    assert reason("User-agent: *\nContent-Usage: train-ai=n\n") == Reason.OPT_OUT
    assert reason("User-agent: *\nContent-Signal: search=yes,ai-train=yes\n") is None
    assert reason("User-agent: other\nContent-Signal: ai-train=no\n") is None
    assert reason("User-agent: *\nContent-Signal: ai-train=no\n\nUser-agent: webtext\nDisallow: /x\n") is None


def test_words_for_a_path_hold_below_it() -> None:
    text = "User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /open train-ai=y\n"
    assert reason(text, "/closed") == Reason.OPT_OUT
    assert reason(text, "/open/page") is None


@pytest.mark.parametrize(
    "start", [b"\xef\xbb\xbf", b"\xef\xbb", b"\xef", b"\0", b"\n\r\n", b"<!doctype html>\n", b"\xff\xfa"]
)
def test_marks_and_mess_at_the_beginning_do_not_hide_the_first_group(start: bytes) -> None:
    assert parse(start + b"User-agent: *\nDisallow: /").ending("http://example.org/") is not None


def test_other_encodings_and_line_ends() -> None:
    text = "User-agent: *\rDisallow: /a\r\nDisallow: /b\nDisallow: /c"
    for encoding in ("utf-8", "utf-16", "utf-8-sig"):
        read = parse(text.encode(encoding))
        assert [read.ending(f"http://e.org/{name}") is None for name in "abcd"] == [False, False, False, True], encoding


def test_what_lies_behind_the_limit_does_not_count() -> None:
    filler = b"# filler\n" * (robots.MAX_BYTES // 9 + 1)
    rule = b"User-agent: *\nDisallow: /\n"
    assert parse(rule + filler).ending("http://example.org/") is not None
    assert parse(filler + rule).ending("http://example.org/") is None


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_nothing_raises(body: bytes, path: str) -> None:
    parse(b"User-agent: *\nDisallow: /\xff*$\n" + body).ending(f"http://example.org/{path}")
    parse(body).ending("http://example.org/")


@pytest.mark.parametrize(
    "body",
    [
        b"User-agent: *\nDisallow: /" + b"*a" * 5000 + b"$",
        b"User-agent: *\nDisallow: /" + b"*" * 400_000,
        b"".join(b"User-agent: a%d\n" % number for number in range(20_000)) + b"Disallow: /*x\n" * 1000,
        b"User-agent: webtext\nDisallow: /x\n" * 15_000,
        b"Disallow:" * 50_000,
    ],
    ids=["wildcards", "asterisks", "agents", "repeats", "colons"],
)
def test_hostile_files_cost_little(body: bytes) -> None:
    start = time.process_time()
    parse(body).ending("http://example.org/" + "a" * 8000)
    assert time.process_time() - start < 5 * SLOWEST_SECONDS


def test_many_rules_are_told() -> None:
    many = b"User-agent: *\n" + b"".join(b"Disallow: /*%d\n" % number for number in range(5000))
    assert parse(many).heavy
    assert not parse(b"User-agent: *\nDisallow: /").heavy


_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)")
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b"}


def _unescaped(match: "re.Match[bytes]") -> bytes:
    text = match[1]
    if text[:1] == b"x" and len(text) > 1:
        return bytes([int(text[1:], 16)])
    if text.isdigit():
        return bytes([int(text, 8)])
    return _CONTROLS.get(text, text)


def _joined(lines: str) -> bytes:
    return _ESCAPE.sub(_unescaped, "".join(_STRING.findall(lines)).encode())


def google_cases(folder: Path) -> list[tuple[str, bytes, str, str, bool]]:
    """(file, robots.txt, address, agent, allowed) of every case, read from the text form of protocol buffers."""
    cases = []
    for path in sorted(folder.rglob("*.textproto")):
        for test in path.read_text().split("robotstxt:")[1:]:
            body, *expectations = re.split(r"testurl:", test)
            for each in expectations:
                url, agent = _STRING.findall(each)[:2]
                cases.append((path.name, _joined(body), url, agent, "outcome: ALLOWED" in each))
    return cases


def test_google_s_cases(shared_data: Path) -> None:
    cases = google_cases(shared_data / "web" / "robots_specs" / "google-spec-test")
    # Where Google's cases and the RFC part, the RFC holds: robots.txt itself may always be fetched, and addresses that
    # are the same once percent signs are undone are the same.
    others = [case for case in cases if not case[2].endswith("/robots.txt") and case[0] != "non-ascii-paths.textproto"]
    assert len(others) > 300
    wrong = [
        (name, url, agent, expected)
        for name, body, url, agent, expected in others
        if (parse(body, (agent.lower(),)).ending(url, honour_opt_out=False) is None) is not expected
    ]
    assert wrong == []


def seconds_taken(body: bytes) -> float:
    """Processor time of reading a file and of asking it about a few addresses."""
    start = time.process_time()
    read = parse(body)
    for path in ("/", "/a/long/path/to/a/page.html?with=parameters&and=more", "/search?q=1", "/" + "x/" * 1000):
        read.ending(f"http://example.org{path}")
    return time.process_time() - start


def test_no_real_file_raises_or_takes_long(shared_data: Path) -> None:
    with tarfile.open(shared_data / "web" / "robots_real" / "robots_dev.tar.gz") as files:
        opened = ((member.name, files.extractfile(member)) for member in files)
        bodies = {name: file.read() for name, file in opened if file is not None}
    assert len(bodies) > 1000
    slow = [name for name, body in bodies.items() if seconds_taken(body) > SLOWEST_SECONDS]
    # A second look: the collector of garbage may have had its turn in the first.
    assert [name for name in slow if seconds_taken(bodies[name]) > SLOWEST_SECONDS] == []
