"""Numbers as novels write them."""

import re

_SPELLINGS = ["〇零○", "一壹", "二贰貳两兩", "三叁參", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖"]
_DIGITS = {digit: value for value, digits in enumerate(_SPELLINGS) for digit in digits}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_TENS = {"廿": 20, "卅": 30, "卌": 40}
_MYRIAD = "万萬"
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)

# What `number_of` may read, as parts of regular expressions: Chinese numerals, and what stands after "Chapter".
CHINESE = f"[{''.join((*_DIGITS, *_UNITS, *_TENS, *_MYRIAD))}]{{1,12}}"
ARABIC = r"\d{1,9}"
ENGLISH = f"{ARABIC}|{'|'.join(sorted(_WORDS, key=len, reverse=True))}|[ivxlc]{{1,9}}"


def number_of(text: str) -> int | None:
    """Reads 12, １２, 十二, 一千二百三十四, 二〇二六, 廿三, 两百, XII and twelve; None where it is no number.

    A digit after a hundred counts ones: 一百二 is 102, as names of chapters leave out the 零.
    """
    lowered = text.lower()
    if text.isdecimal():
        return int(text)
    if lowered in _WORDS:
        return _WORDS.index(lowered) + 1
    if re.fullmatch("[ivxlc]+", lowered):
        return _roman(lowered)
    if text and all(char in _DIGITS for char in text):
        return int("".join(str(_DIGITS[char]) for char in text))
    return _with_units(text)


def _with_units(text: str) -> int | None:
    total = below_myriad = 0
    digit: int | None = None
    for char in text:
        if char in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[char]
        elif char in _TENS:
            below_myriad += _TENS[char]
        elif char in _UNITS:
            below_myriad += (digit or 1) * _UNITS[char]
            digit = None
        elif char in _MYRIAD:
            total += (below_myriad + (digit or 0) or 1) * 10_000
            below_myriad, digit = 0, None
        else:
            return None
    return total + below_myriad + (digit or 0) if text else None


def _roman(text: str) -> int:
    values = [_ROMAN[char] for char in text]
    return sum(
        -value if value < following else value for value, following in zip(values, [*values[1:], 0], strict=True)
    )
