"""Tokens to text as they come, on bytes cut anywhere and stop strings across tokens."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from model.sampling.streaming import TextStream

UGLY = st.one_of(st.text().map(str.encode), st.binary(), st.sampled_from([b"\xe2\x82", b"\xf0\x9f", b"\xff", b"aab"]))
TOKENS = st.lists(UGLY.flatmap(lambda content: st.just(content) if len(content) < 2 else cut(content)), max_size=8)
STOPS = st.lists(st.one_of(st.text(min_size=1, max_size=3), st.sampled_from(["ab", "aa", "aba", "\ufffd"])), max_size=3)


def cut(content: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(1, len(content)).map(lambda place: content[:place])


def stream(tokens: list[bytes], stops: list[str]) -> tuple[list[str], TextStream]:
    def decode_bytes(ids: Iterable[int]) -> bytes:
        return b"".join(tokens[each] for each in ids)

    made = TextStream(decode_bytes, stops)
    return [*(made.push(index) for index in range(len(tokens))), made.end()], made


def until_stop(text: str, stops: list[str]) -> str:
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


@given(TOKENS)
def test_the_pieces_are_the_text(tokens: list[bytes]) -> None:
    pieces, _ = stream(tokens, [])
    assert "".join(pieces) == b"".join(tokens).decode("utf-8", "replace")


@given(TOKENS, STOPS)
def test_the_text_ends_before_the_first_stop(tokens: list[bytes], stops: list[str]) -> None:
    pieces, made = stream(tokens, stops)
    whole = b"".join(tokens).decode("utf-8", "replace")
    assert "".join(pieces) == until_stop(whole, stops)
    assert made.stopped == any(stop in whole for stop in stops)


@given(st.lists(st.sampled_from([b"a", b"b", b"ab", b"ba", b"aab"]), max_size=12), STOPS)
def test_no_piece_is_ever_taken_back_and_little_is_held(tokens: list[bytes], stops: list[str]) -> None:
    pieces, _ = stream(tokens, stops)
    said = ""
    for index, piece in enumerate(pieces[:-1]):
        said += piece
        so_far = until_stop(b"".join(tokens[: index + 1]).decode(), stops)
        assert so_far.startswith(said)
        assert len(so_far) - len(said) < max(map(len, stops), default=1)


def test_only_whole_characters_are_said() -> None:
    euro = "€".encode()
    pieces, _ = stream([b"1" + euro[:1], euro[1:2], euro[2:] + b"!"], [])
    assert pieces == ["1", "", "€!", ""]


def test_a_character_that_never_ends_becomes_a_sign_at_the_end() -> None:
    pieces, _ = stream([b"a\xf0\x9f"], [])
    assert pieces == ["a", "\ufffd"]


def test_a_stop_string_spans_tokens_and_a_false_start_is_given_back() -> None:
    pieces, made = stream([b"one EN", b"T END", b" more"], ["END"])
    assert pieces == ["one ", "ENT ", "", ""]
    assert made.stopped
