"""Passwords as a configuration keeps them: scrypt over the MD5 of the password, which is what clients of the panel API send."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

_LN, _R, _P = 15, 8, 1
"""32 MiB, and a tenth of a second on a small machine."""
_MOST_LN, _MOST_MEMORY, _MOST_P = 17, 128 * 1024 * 1024, 4
"""What a login may cost a small machine."""
_LENGTH = 32
_TEXT = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9])\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")


def md5_form(password: str) -> bytes:
    """The MD5 of a password, in lower-case hexadecimal."""
    return hashlib.md5(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """`$scrypt$ln=15,r=8,p=1$SALT$HASH`, salt and hash in base64 without `=`."""

    ln: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    @classmethod
    def of(cls, password: str) -> PasswordHash:
        """A new one, with a salt of its own."""
        salt = os.urandom(16)
        return cls(_LN, _R, _P, salt, _scrypt(md5_form(password), salt, _LN, _R, _P, _LENGTH))

    @classmethod
    def parsed(cls, text: str) -> PasswordHash:
        """Raises ValueError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError("expected $scrypt$…, as `panel-gateway password` prints it")
        ln, r, p = (int(found[number]) for number in (1, 2, 3))
        if not (r >= 1 and 1 <= p <= _MOST_P and 10 <= ln <= _MOST_LN and _memory(ln, r) <= _MOST_MEMORY):
            raise ValueError(f"expected ln from 10 to {_MOST_LN}, p up to {_MOST_P}, and 128 MiB at most")
        salt, digest = (_bytes(found[number]) for number in (4, 5))
        if len(salt) < 8 or not 16 <= len(digest) <= 64:
            raise ValueError("expected a salt of 8 bytes or more and a hash of 16 to 64 bytes")
        return cls(ln, r, p, salt, digest)

    def __str__(self) -> str:
        return f"$scrypt$ln={self.ln},r={self.r},p={self.p}${_text(self.salt)}${_text(self.hash)}"

    def fits(self, md5_hex: bytes) -> bool:
        """Whether this is the MD5 form of the password. Takes as long as scrypt takes."""
        made = _scrypt(md5_hex, self.salt, self.ln, self.r, self.p, len(self.hash))
        return hmac.compare_digest(made, self.hash)


def _memory(ln: int, r: int) -> int:
    return 128 * r << ln


def _scrypt(md5_hex: bytes, salt: bytes, ln: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(md5_hex, salt=salt, n=1 << ln, r=r, p=p, maxmem=2 * _memory(ln, r) + 1024 * 1024, dklen=length)


def _text(some: bytes) -> str:
    return b64encode(some).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("expected salt and hash in base64") from error
