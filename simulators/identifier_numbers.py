"""The identifiers that people carry, as an `open-access-panel` compares them: words +0..4 of an identifier slot. Pure."""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata

from simulators.access_slots import CARD, CODE, MOST_DIGITS, PLATE, QR

TYPES = ("card", "ukey", "inputCode", "license_plate", "qr")
_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2})+|(?:-[0-9A-Fa-f]{2})+)")


class NoNumber(ValueError):
    """The text cannot be an identifier of its type."""


def number_words(kind: str, number: str) -> tuple[int, ...]:
    """Words +0..4 for one of TYPES. Raises NoNumber, which says what is wrong."""
    match kind:
        case "card" | "ukey":
            return CARD, *_long(_whole(number))
        case "inputCode":
            return len(number) << 8 | CODE, *_long(_code(number))
        case "license_plate":
            return PLATE, *_digest(_plate(number))
        case "qr":
            return QR, *_digest(number.lower())
    raise NoNumber(f"type: one of {', '.join(TYPES)}")


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _whole(number: str) -> int:
    if _is_decimal(number):
        value = int(number) if len(number.lstrip("0")) <= 20 else 1 << 64
    elif _PAIRS.fullmatch(number):
        value = int(re.sub("[:-]", "", number), 16)
    else:
        raise NoNumber("number: a decimal number, or pairs of hexadecimal digits with : or - between them")
    if value >= 1 << 64:
        raise NoNumber("number: more than 64 bits")
    return value


def _code(number: str) -> int:
    if not _is_decimal(number) or len(number) > MOST_DIGITS:
        raise NoNumber(f"number: a code is 1 to {MOST_DIGITS} digits")
    return int(number)


def _plate(number: str) -> str:
    """The letters and digits of any script, normalised and in upper case."""
    kept = (
        letter for letter in unicodedata.normalize("NFKC", number) if unicodedata.category(letter)[0] == "L" or _digit(letter)
    )
    return "".join(kept).upper()


def _digit(letter: str) -> bool:
    return unicodedata.category(letter) == "Nd"


def _digest(text: str) -> tuple[int, ...]:
    if not text:
        raise NoNumber("number: nothing is left of it that could be compared")
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise NoNumber("number: half a character, which no text can hold") from error
    return struct.unpack(">4H", hashlib.sha256(encoded).digest()[:8])


def _long(value: int) -> tuple[int, ...]:
    return struct.unpack(">4H", value.to_bytes(8, "big"))
