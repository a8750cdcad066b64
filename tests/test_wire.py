"""A bad value in an answer costs that value alone, and what a number says is not lost."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector import wire
from connector.wire import MOST_LEVELS, Verbatim, decode, encode, storable

# JSON as received, what it is for Python, and how it is written again.
BAD_VALUES: dict[str, tuple[bytes, Any, str]] = {
    "high surrogate": (rb'"a\ud83d"', "a\ud83d", r'"a\ud83d"'),
    "low surrogate": (rb'"\ude00b"', "\ude00b", r'"\ude00b"'),
    "surrogates in the wrong order": (rb'"\ude00\ud83d"', "\ude00\ud83d", r'"\ude00\ud83d"'),
    "high surrogate before a pair": (rb'"\ud83d\ud83d\ude00"', "\ud83d😀", r'"\ud83d\ud83d\ude00"'),
    "surrogate as bytes": (b'"\xed\xa0\xbd"', "\udced\udca0\udcbd", r'"\udced\udca0\udcbd"'),
    "not UTF-8": (b'"caf\xe9"', "caf\udce9", r'"caf\udce9"'),
    "UTF-8 cut off": (b'"\xe4\xb8"', "\udce4\udcb8", r'"\udce4\udcb8"'),
    "overlong UTF-8": (b'"\xc0\x80"', "\udcc0\udc80", r'"\udcc0\udc80"'),
    "tab": (b'"a\tb"', "a\tb", r'"a\tb"'),
    "line feed": (b'"a\nb"', "a\nb", r'"a\nb"'),
    "carriage return": (b'"a\r\nb"', "a\r\nb", r'"a\r\nb"'),
    "NUL": (b'"a\0b"', "a\0b", r'"a\u0000b"'),
    "escape sequence": (b'"\x1b[31m"', "\x1b[31m", r'"\u001b[31m"'),
    "unknown escape": (rb'"C:\path"', Verbatim(r'"C:\\path"'), r'"C:\\path"'),
    "escape without digits": (rb'"\u12"', Verbatim(r'"\\u12"'), r'"\\u12"'),
    "over a double": (b"1e400", Verbatim("1e400"), "1e400"),
    "under a double": (b"-1.5E+999", Verbatim("-1.5E+999"), "-1.5E+999"),
    "absurd exponent": (b"1e99999999999999999999", Verbatim("1e99999999999999999999"), "1e99999999999999999999"),
    "400 digits": (b"9" * 400, Verbatim("9" * 400), "9" * 400),
    "5,000 digits": (b"9" * 5000, Verbatim("9" * 5000), "9" * 5000),
    "64 bits": (b"18446744073709551615", 2**64 - 1, "18446744073709551615"),
    "65 bits": (b"18446744073709551616", Verbatim("18446744073709551616"), "18446744073709551616"),
    "least 64 bits": (b"-9223372036854775808", -(2**63), "-9223372036854775808"),
    "less than 64 bits": (b"-9223372036854775809", Verbatim("-9223372036854775809"), "-9223372036854775809"),
    "20 zeros": (b"1" + b"0" * 20, Verbatim("1" + "0" * 20), "1" + "0" * 20),
    "NaN": (b"NaN", Verbatim('"NaN"'), '"NaN"'),
    "Infinity": (b"Infinity", Verbatim('"Infinity"'), '"Infinity"'),
    "-Infinity": (b"-Infinity", Verbatim('"-Infinity"'), '"-Infinity"'),
    "nan of C": (b"-nan(ind)", Verbatim('"-nan(ind)"'), '"-nan(ind)"'),
    "undefined": (b"undefined", Verbatim('"undefined"'), '"undefined"'),
    "True": (b"True", Verbatim('"True"'), '"True"'),
    "leading zero": (b"007", Verbatim('"007"'), '"007"'),
    "plus": (b"+5", Verbatim('"+5"'), '"+5"'),
    "no fraction": (b"5.", Verbatim('"5."'), '"5."'),
    "hexadecimal": (b"0x1F", Verbatim('"0x1F"'), '"0x1F"'),
}


@pytest.mark.parametrize(("received", "value", "written"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_costs_itself_alone(received: bytes, value: Any, written: str) -> None:
    """Wherever it stands; and it is written again as JSON that says the same."""
    assert decode(received) == value
    assert decode(b" [ 1,%b\t,\r\n2.5 ] " % received) == [1, value, 2.5]
    assert decode(b'{"a":%b,"b":[null,{"c":%b}],"d":"\xc3\xa9"}' % (received, received)) == {
        "a": value,
        "b": [None, {"c": value}],
        "d": "é",
    }
    assert encode(value) == written
    assert encode({"b": [value, 1], "a": None}) == f'{{"a":null,"b":[{written},1]}}'
    assert encode(decode(written)) == written
    json.loads(written, parse_int=str)


@pytest.mark.parametrize("body", [b'{"a":1}', b'{"a":1,"b":"\t"}'], ids=["plain", "odd"])
def test_a_byte_order_mark_is_no_part_of_the_answer(body: bytes) -> None:
    """It is left out."""
    assert decode(b"\xef\xbb\xbf" + body) == decode(body)


@pytest.mark.parametrize("beside", [b"1", b'"\t"'], ids=["plain", "odd"])
def test_of_names_that_repeat_the_last_counts(beside: bytes) -> None:
    """In an answer with bad values as in any other."""
    assert decode(b'{"a":1,"a":2,"b":%b}' % beside) == {"a": 2, "b": json.loads(beside, strict=False)}


@pytest.mark.parametrize("brackets", ["[]", "{}"])
@pytest.mark.parametrize("levels", [MOST_LEVELS - 1, MOST_LEVELS, MOST_LEVELS + 1, 100_000])
def test_depth(levels: int, brackets: str) -> None:
    """Below so many levels, what was received is kept as a text; both decoders agree on that."""
    before, after = ("[", "]") if brackets == "[]" else ('{"a":', "}")
    text = before * levels + "1" + after * levels
    deep = decode(f'{{"deep":{text},"b":2}}')["deep"]
    assert encode(decode(f'{{"deep":{text},"b":"\t"}}')["deep"]) == encode(deep)
    above = min(levels, MOST_LEVELS - 1)  # the object around them is the first level
    below = levels - above
    inner = json.dumps(before * below + "1" + after * below) if below else "1"
    assert encode(deep) == before * above + inner + after * above


NOT_JSON = [
    "",
    " ",
    "<html><body>502: Bad Gateway</body></html>",
    "502 Bad Gateway",
    '{"Response": {"List": [{"a": 1}',
    '{"Response": {"List": [{"a": "\t',
    '{"Response": {"List": ["\t"]}',
    '["\t"]]',
    '["\t")',
    '["\t"}',
    '{"a": "\t"]',
    '["\t",]',
    '[,"\t"]',
    '["\t" 1]',
    '["\t":1]',
    '{"a" "\t"}',
    '{"a":"\t",}',
    '{"a":"\t";"b":1}',
    '{1:"\t"}',
    '{"a","\t"}',
    '{"a":"\t":1}',
    '{"a":,"b":"\t"}',
    '"\t" "\t"',
    '"\t',
    ",",
    "]",
    "\x0b1",
    '["\t"]\0',
]


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_not_json_is_refused(body: str) -> None:
    """An answer that was cut off, or that something else than the API gave, is no answer."""
    with pytest.raises(ValueError, match="not JSON"):
        decode(body.encode())


_NEAR = st.builds(lambda near, end: near + end, st.integers(-3, 3), st.sampled_from([-(2**63), 2**63, 2**64]))
_INTEGERS = st.integers() | _NEAR
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_both_decoders_agree(value: Any, indent: int | None, ascii_only: bool) -> None:
    """An answer is decoded in the same way whether or not another value in it is bad."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert repr(wire._decode_odd(text)) == repr(decode(text))


@given(
    st.text('[]{},:" \\u0dé1-.eE+truefalsn\t', max_size=40) | st.binary(max_size=20).map(lambda b: b.decode("latin-1"))
)
@example('{"a":"b"}')
def test_what_orjson_decodes_is_decoded_alike(text: str) -> None:
    """And of any other text comes a value or ValueError."""
    try:
        expected = orjson.loads(text)
    except orjson.JSONDecodeError:
        expected = ...
    try:
        value = wire._decode_odd(text)
    except ValueError:
        value = ...
    assert expected is ... or repr(value) == repr(expected)


@given(JSON)
def test_what_is_written_is_decoded_again(value: Any) -> None:
    """What an answer held is written, read from the warehouse and written again: it is the same text."""
    text = encode(decode(encode(value)))
    assert encode(decode(text)) == text
    assert storable(text) == text


def test_long_numbers_in_texts_are_texts() -> None:
    """Digits in a text do not make it a number."""
    value = {"a": "n: 123456789012345678901,-1234567890123456789", "b": "sha256:12345678901234567890123"}
    assert decode(json.dumps(value)) == value
