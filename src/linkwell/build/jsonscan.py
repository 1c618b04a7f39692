"""Reading JSON in place, compiled: values are passed over or unescaped without making an object of any.

It reads a subset: no white space between tokens, whole numbers only, nothing deeper than `_MAX_DEPTH`, keys without escapes. For all
else, and for what is no JSON or no UTF-8, the answer is -1, and the caller has the record decoded by msgspec, which decides.

Every function takes `data` (uint8), a position in it, and `end`, where the record ends; nothing at or after `end` decides. `watfacts.PADDING`
bytes behind the last record have to be there, and 0, as 32 bytes are looked at together.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from linkwell.base.compiled import intrinsic, part
from linkwell.build.watfacts import Bytes

_MAX_DEPTH = 40
_BAD = -1
_QUOTE, _BACKSLASH, _COMMA, _COLON, _MINUS, _ZERO, _NINE = 34, 92, 44, 58, 45, 48, 57
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = 123, 125, 91, 93
_SPACE = 32

AT_ONCE = 32
_LETTERS_OF_WORD = 8


def _loaded(context: Any, builder: Any, signature: Any, arguments: Any, kind: Any) -> Any:
    """Bytes of an array from a position on, as a number or a vector."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    place = builder.gep(array.data, [arguments[1]])
    return builder.load(builder.bitcast(place, kind.as_pointer()), align=1)


def _before(mark: Callable[..., Any]) -> Callable[[Bytes, int], int]:
    """A function: how many of the 32 bytes from a place on come before one that is marked.

    Args:
        mark: given a builder, a maker of vectors of one byte, and one that loads the 32 bytes at a distance, returns a vector of bits.
    """

    def count(_context: Any, data: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vector = ir.VectorType(ir.IntType(8), AT_ONCE)

            def every(letter: int) -> Any:
                return ir.Constant(vector, [letter] * AT_ONCE)

            def loaded(distance: int) -> Any:
                place = builder.add(arguments[1], ir.Constant(ir.IntType(64), distance))
                return _loaded(context, builder, signature, [arguments[0], place], vector)

            number = ir.IntType(64)
            marked = builder.bitcast(mark(builder, every, loaded), ir.IntType(AT_ONCE))
            bits = builder.or_(builder.zext(marked, number), ir.Constant(number, 1 << AT_ONCE))
            return builder.cttz(bits, ir.Constant(ir.IntType(1), 1))

        return types.int64(data, at), generate

    return intrinsic(count)


def _ends_plain(builder: Any, every: Any, loaded: Any) -> Any:
    found = loaded(0)
    marked = builder.or_(
        builder.icmp_signed("==", found, every(_QUOTE)), builder.icmp_signed("==", found, every(_BACKSLASH))
    )
    # Bytes of 128 and more are negative.
    return builder.or_(marked, builder.icmp_signed("<", found, every(_SPACE)))


def _ends_folded(builder: Any, every: Any, loaded: Any) -> Any:
    two = (builder.icmp_signed("==", loaded(distance), every(_SPACE)) for distance in (0, 1))
    return builder.or_(_ends_plain(builder, every, loaded), builder.and_(*two))


_unmarked = _before(_ends_plain)
"""How many of the 32 bytes from `at` on come before one that may end a string: a quote, a backslash, a control, or no ASCII."""

_unfolded = _before(_ends_folded)
"""How many of them come before one of these, or before the first of two spaces."""


def _until(*words: tuple[int, bytes]) -> Callable[[Bytes, int], int]:
    """A function: how many of the 32 bytes from a place on come before one of the words, shifted by so many bytes each."""

    def mark(builder: Any, every: Any, loaded: Any) -> Any:
        found = [
            [builder.icmp_signed("==", loaded(distance + place), every(letter)) for place, letter in enumerate(word)]
            for distance, word in words
        ]
        return reduce(builder.or_, [reduce(builder.and_, letters) for letters in found])

    return _before(mark)


@intrinsic
def _copy_some(_context: Any, data: Any, at: Any, out: Any, to: Any) -> Any:
    """Write the 32 bytes from `at` on to `out`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), AT_ONCE)
        found = _loaded(context, builder, signature, arguments, vector)
        array = context.make_array(signature.args[2])(context, builder, arguments[2])
        place = builder.gep(array.data, [arguments[3]])
        builder.store(found, builder.bitcast(place, vector.as_pointer()), align=1)
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(data, at, out, to), generate


until_word = _until((-1, b"G@"), (0, b"icen"))
"""How many of the 32 bytes from `at` on come before the `@` of `G@` or the start of `icen`."""

_INFO = np.frombuffer(b'"WARC-Info-Metadata"', np.uint8)
_INFO_MIDDLE = 8
_until_info = _until((0, bytes(_INFO[_INFO_MIDDLE : _INFO_MIDDLE + 4])))


@intrinsic
def word_at(_context: Any, data: Any, at: Any) -> Any:
    """The eight bytes from `at` on as a number, the first one lowest."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _loaded(context, builder, signature, arguments, ir.IntType(64))

    return types.int64(data, at), generate


def code_of(word: bytes) -> int:
    """What `key_code` tells of that key, which has at most eight letters."""
    assert 0 < len(word) <= _LETTERS_OF_WORD
    return int.from_bytes(word, "little")


@part
def key_code(data: Bytes, first: int, last: int) -> int:
    """A number that tells one key of at most eight ASCII letters from another; 0 for longer ones."""
    length = last - first
    if length == _LETTERS_OF_WORD:
        return word_at(data, first)
    if length > _LETTERS_OF_WORD or length == 0:
        return 0
    return word_at(data, first) & ((1 << (8 * length)) - 1)


@part
def plain_end(data: Bytes, at: int, end: int) -> int:
    """Where the string that starts at `at` has its closing quote, or -1 where something in it is escaped or no ASCII."""
    while at < end:
        clear = _unmarked(data, at)
        at += clear
        if clear < AT_ONCE:
            return at if at < end and data[at] == _QUOTE else _BAD
    return _BAD


@part
def byte_at(data: Bytes, at: int) -> int:
    """A byte as a number of 64 bits: with one of 8 compiled code would count differently than Python."""
    return np.int64(data[at])  # type: ignore[return-value] # an int, when compiled


@part
def _hex(data: Bytes, at: int, end: int) -> int:
    """The number that four hexadecimal digits are."""
    if at + 4 > end:
        return _BAD
    number = 0
    for place in range(at, at + 4):
        byte = byte_at(data, place)
        if 48 <= byte <= 57:
            digit = byte - 48
        elif 97 <= (byte | 32) <= 102:
            digit = (byte | 32) - 87
        else:
            return _BAD
        number = number * 16 + digit
    return number


@part
def character(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """The character of a string at `at`, unescaped, and where the next one is. Character -1: it is none."""
    byte = byte_at(data, at)
    if byte < _SPACE or byte == _QUOTE:
        return _BAD, at
    if byte < 128 and byte != _BACKSLASH:
        return byte, at + 1
    if byte == _BACKSLASH:
        if at + 1 >= end:
            return _BAD, at
        kind = data[at + 1]
        if kind == 34 or kind == 92 or kind == 47:
            return byte_at(data, at + 1), at + 2
        if kind == 110:
            return 10, at + 2
        if kind == 116:
            return 9, at + 2
        if kind == 114:
            return 13, at + 2
        if kind == 98:
            return 8, at + 2
        if kind == 102:
            return 12, at + 2
        if kind != 117:
            return _BAD, at
        code = _hex(data, at + 2, end)
        at += 6
        if code < 0 or 0xDC00 <= code <= 0xDFFF:
            return _BAD, at
        if 0xD800 <= code <= 0xDBFF:
            if at + 6 > end or data[at] != _BACKSLASH or data[at + 1] != 117:
                return _BAD, at
            low = _hex(data, at + 2, end)
            if low < 0xDC00 or low > 0xDFFF:
                return _BAD, at
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), at + 6
        return code, at
    if byte < 0xC2 or byte > 0xF4:
        return _BAD, at
    length = 2 if byte < 0xE0 else (3 if byte < 0xF0 else 4)
    if at + length > end:
        return _BAD, at
    code = byte & (0x7F >> length)
    for place in range(at + 1, at + length):
        follower = byte_at(data, place)
        if follower & 0xC0 != 0x80:
            return _BAD, at
        code = (code << 6) | (follower & 0x3F)
    if (length == 3 and (code < 0x800 or 0xD800 <= code <= 0xDFFF)) or (
        length == 4 and (code < 0x10000 or code > 0x10FFFF)
    ):
        return _BAD, at
    return code, at + length


@part
def string_end(data: Bytes, at: int, end: int) -> int:
    """Where the string that starts at `at`, behind its quote, has its closing quote."""
    while at < end:
        clear = _unmarked(data, at)
        at += clear
        if clear < AT_ONCE:
            if at >= end:
                return _BAD
            if data[at] == _QUOTE:
                return at
            while at < end and (data[at] >= 128 or data[at] == _BACKSLASH):
                code, at = character(data, at, end)
                if code < 0:
                    return _BAD
            if at < end and data[at] < _SPACE:
                return _BAD
    return _BAD


@part
def put(code: int, out: Bytes, to: int) -> int:
    """Write a character as UTF-8; returns where the next one goes. There must be room for four bytes."""
    if code < 0x80:
        out[to] = code
        return to + 1
    if code < 0x800:
        out[to] = 0xC0 | (code >> 6)
        out[to + 1] = 0x80 | (code & 0x3F)
        return to + 2
    if code < 0x10000:
        out[to] = 0xE0 | (code >> 12)
        out[to + 1] = 0x80 | ((code >> 6) & 0x3F)
        out[to + 2] = 0x80 | (code & 0x3F)
        return to + 3
    out[to] = 0xF0 | (code >> 18)
    out[to + 1] = 0x80 | ((code >> 12) & 0x3F)
    out[to + 2] = 0x80 | ((code >> 6) & 0x3F)
    out[to + 3] = 0x80 | (code & 0x3F)
    return to + 4


@part
def copy_string(data: Bytes, at: int, end: int, out: Bytes, to: int) -> int:
    """Write the string from `at` to its closing quote at `end`, unescaped; returns where it ends in `out`.

    There must be room for it and 32 bytes more, which may be written to.
    """
    while at < end:
        clear = min(_unmarked(data, at), end - at)
        _copy_some(data, at, out, to)
        at += clear
        to += clear
        if clear < AT_ONCE and at < end:
            code, at = character(data, at, end)
            to = put(code, out, to)
    return to


@part
def is_space(code: int) -> bool:
    """What `str.split()` divides at."""
    if code < 0x80:
        return code == 32 or 9 <= code <= 13 or 28 <= code <= 31
    return (
        code == 0x85
        or code == 0xA0
        or code == 0x1680
        or 0x2000 <= code <= 0x200A
        or code == 0x2028
        or code == 0x2029
        or code == 0x202F
        or code == 0x205F
        or code == 0x3000
    )


@part
def fold_string(data: Bytes, at: int, end: int, out: Bytes, to: int) -> tuple[int, int]:
    """As `copy_string`, with white space folded as `" ".join(text.split())` does; also how many characters that is."""
    characters = 0
    is_pending = False
    while at < end:
        clear = min(_unfolded(data, at), end - at) if data[at] != _SPACE else 0
        if clear:
            if is_pending:
                out[to] = _SPACE
                to += 1
                characters += 1
            _copy_some(data, at, out, to)
            at += clear
            is_pending = data[at - 1] == _SPACE
            kept = clear - is_pending
            to += kept
            characters += kept
            continue
        code, at = character(data, at, end)
        if is_space(code):
            is_pending = characters > 0
            continue
        if is_pending:
            out[to] = _SPACE
            to += 1
            characters += 1
            is_pending = False
        to = put(code, out, to)
        characters += 1
    return to, characters


@part
def number_end(data: Bytes, at: int, end: int) -> int:
    """Where a whole number ends."""
    if data[at] == _MINUS:
        at += 1
    first = at
    while at < end and _ZERO <= data[at] <= _NINE:
        at += 1
    if at == first or at - first > 18 or (data[first] == _ZERO and at - first > 1):
        return _BAD
    return at


@part
def _word_end(data: Bytes, at: int, end: int) -> int:
    """Where `true`, `false` or `null` ends."""
    if at + 4 <= end and data[at] == 116 and data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101:
        return at + 4
    if at + 4 <= end and data[at] == 110 and data[at + 1] == 117 and data[at + 2] == 108 and data[at + 3] == 108:
        return at + 4
    if (
        at + 5 <= end
        and data[at] == 102
        and data[at + 1] == 97
        and data[at + 2] == 108
        and data[at + 3] == 115
        and data[at + 4] == 101
    ):
        return at + 5
    return _BAD


@part
def value_end(data: Bytes, at: int, end: int) -> int:
    """Where the value that starts at `at` ends, whatever it is."""
    # One bit a level, the innermost lowest: 1 for an object, 0 for a list.
    levels = 0
    depth = 0
    while at < end:
        # A value starts here.
        byte = data[at]
        if byte == _OPEN or byte == _OPEN_LIST:
            if depth == _MAX_DEPTH or at + 1 >= end:
                return _BAD
            if data[at + 1] == byte + 2:
                at += 2
            else:
                depth += 1
                levels = (levels << 1) | (1 if byte == _OPEN else 0)
                at += 1
                if byte == _OPEN:
                    at = key_end(data, at, end)
                    if at < 0:
                        return _BAD
                    at += 2
                continue
        elif byte == _QUOTE:
            at = string_end(data, at + 1, end) + 1
            if at == 0:
                return _BAD
        elif byte == _MINUS or _ZERO <= byte <= _NINE:
            at = number_end(data, at, end)
            if at < 0:
                return _BAD
        else:
            at = _word_end(data, at, end)
            if at < 0:
                return _BAD
        # A value ended before here.
        while True:
            if depth == 0:
                return at
            if at >= end:
                return _BAD
            byte = data[at]
            at += 1
            if byte == _COMMA:
                if levels & 1:
                    at = key_end(data, at, end)
                    if at < 0:
                        return _BAD
                    at += 2
                break
            if byte != (_CLOSE if levels & 1 else _CLOSE_LIST):
                return _BAD
            levels >>= 1
            depth -= 1
    return _BAD


@part
def key_end(data: Bytes, at: int, end: int) -> int:
    """Where the key whose opening quote is at `at` has its closing one, with a colon and something more behind."""
    if at >= end or data[at] != _QUOTE:
        return _BAD
    at = string_end(data, at + 1, end)
    if at < 0 or at + 2 >= end or data[at + 1] != _COLON:
        return _BAD
    return at


@part
def equals(data: Bytes, first: int, last: int, word: Bytes) -> bool:
    """Whether these bytes are that word."""
    if last - first != len(word):
        return False
    for place in range(len(word)):
        if data[first + place] != word[place]:
            return False
    return True


@part
def holds(data: Bytes, first: int, last: int, word: Bytes) -> bool:
    """Whether that word is among these bytes."""
    for start in range(first, last - len(word) + 1):
        if data[start] == word[0] and equals(data, start, start + len(word), word):
            return True
    return False


@part
def holds_info(data: Bytes, first: int, last: int) -> bool:
    """Whether the key that describes a warcinfo is among these bytes."""
    at = first + _INFO_MIDDLE
    while at < last:
        clear = _until_info(data, at)
        at += clear
        if clear < AT_ONCE:
            if equals(data, at - _INFO_MIDDLE, at - _INFO_MIDDLE + len(_INFO), _INFO):
                return at - _INFO_MIDDLE + len(_INFO) <= last
            at += 1
    return False
