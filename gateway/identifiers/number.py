"""The number of an identifier: what of it is compared, and what panels store of it. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

IdentifierType = Literal["card", "ukey", "inputCode", "qr", "license_plate"]
Space = Literal["card", "code", "plate", "qr"]
"""Numbers of one space are compared with each other; cards and key fobs share one."""

_SPACES: dict[IdentifierType, Space] = {
    "card": "card",
    "ukey": "card",
    "inputCode": "code",
    "license_plate": "plate",
    "qr": "qr",
}
_DECIMAL = re.compile(r"[0-9]+")
_BYTES = re.compile(r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2})+|(?:-[0-9A-Fa-f]{2})+)")
_CODE = re.compile(r"[0-9]{1,19}")
_MOST_DIGITS = 4000
"""Decimal text beyond this is refused before it is converted."""
_BITS = 64


class NotANumber(ValueError):
    """The text is no number of its type; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """A number in normal form.

    `text` is the decimal integer of a card, the digits of a code, the letters and digits of a plate in upper case, a QR code in
    lower case. Two numbers are the same where both fields are equal.
    """

    space: Space
    text: str

    @property
    def value(self) -> int:
        """64 bits: the integer of a card, the digits of a code as an integer, else the first 8 bytes of the SHA-256 of `text`."""
        if self.space in ("card", "code"):
            return int(self.text)
        return int.from_bytes(sha256(self.text.encode()).digest()[:8], "big")

    @property
    def digits(self) -> int:
        """How many digits a code has, since its leading zeros count; 0 for all other numbers."""
        return len(self.text) if self.space == "code" else 0


def number_of(kind: IdentifierType, sent: str) -> Number:
    """The normal form of a number as it was sent. Raises NotANumber."""
    space = _SPACES[kind]
    match space:
        case "card":
            text = str(_integer(sent))
        case "code":
            text = _code(sent)
        case "plate":
            text = _plate(sent)
        case "qr":
            text = sent.lower()
    if not text:
        raise NotANumber("nothing is left of it to compare")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotANumber("half of a surrogate pair is no character") from error
    return Number(space, text)


def _integer(sent: str) -> int:
    if _DECIMAL.fullmatch(sent) and len(sent) <= _MOST_DIGITS:
        value = int(sent)
    elif _BYTES.fullmatch(sent):
        value = int.from_bytes(bytes.fromhex(re.sub("[:-]", "", sent)), "big")
    else:
        raise NotANumber("neither a decimal number nor pairs of hexadecimal digits with `:` or `-` between them")
    if value >> _BITS:
        raise NotANumber(f"more than {_BITS} bits")
    return value


def _code(sent: str) -> str:
    if not _CODE.fullmatch(sent):
        raise NotANumber("a code has 1 to 19 digits")
    return sent


def _plate(sent: str) -> str:
    kept = (sign for sign in unicodedata.normalize("NFKC", sent) if unicodedata.category(sign)[0] == "L" or sign.isdecimal())
    return "".join(kept).upper()
