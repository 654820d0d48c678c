"""Rules that refuse junk, and only junk."""

import pytest

from pipeline.extract.quality import count_words, low_quality

PROSE = (
    "The river rose slowly through the night, and by morning the lower meadow stood under a foot of brown water. "
    "Nobody in the village had seen such a flood since the old bridge fell; the miller's wife kept a record of it. "
)
LONG_PROSE = PROSE + " ".join(f"On day {n} the gauge by mill {n} showed {n * 3} inches." for n in range(40))


@pytest.mark.parametrize(
    ("text", "title", "rule"),
    [
        ("Sorry, the page you are looking for could not be found. Try the search.", "Oops", "error_page"),
        (PROSE, "404 Not Found", "error_page"),
        (PROSE, "Just a moment...", "error_page"),
        ("Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. " * 12, "", "lorem_ipsum"),
        ("function a(b){return b;} var c=1; if(c){d();e();} " * 20, "", "code_dump"),
        ("**** ---- ==== #### 12:30 $$$ " * 30, "", "symbols"),
        ("Buy the finest shoes in town today\n" * 40, "", "repeated_lines"),
        ("buy shoes now and " * 100, "", "few_distinct_words"),
    ],
)
def test_junk(text: str, title: str, rule: str) -> None:
    assert low_quality(text, title, "und") == rule


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (PROSE, "The flood"),
        (LONG_PROSE + "The server said error 404: page not found, and we laughed.", "A 404 story"),
        (PROSE + "\n".join(f"- item number {n}: a thing of {n * 7} parts" for n in range(40)), "List"),
        (PROSE + "Designers put lorem ipsum where words are missing.", ""),
        (PROSE + "Call `f(x);` and then `g(y);` to enable the thing.", "Manual"),
    ],
)
def test_documents_pass(text: str, title: str) -> None:
    assert low_quality(text, title, "en") is None


def test_an_english_text_needs_words_that_hold_it_together() -> None:
    keywords = "car insurance, cheap hotels, poker bonus, ringtones, used trucks, web hosting, prom dresses"
    assert low_quality(keywords, "", "en") == "few_function_words"
    assert low_quality(keywords, "", "de") is None


def test_one_sentence_over_and_over_is_junk_and_a_refrain_is_not() -> None:
    sentence = "Your text goes here. Replace this sentence with a sentence about your company and its many products. "
    assert low_quality(sentence * 8, "", "en") == "repeated_phrases"
    assert low_quality(sentence * 3 + PROSE * 2, "", "en") is None


def test_words_of_scripts_without_spaces() -> None:
    assert count_words("three little words") == 3
    assert count_words("维基百科是一个自由内容的百科全书" * 10) > 70
    assert count_words("") == 0
