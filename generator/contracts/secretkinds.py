# SPDX-License-Identifier: Apache-2.0
"""The kinds of secrets that a contract can have: how one is made, and what another must be like.

Whoever changes a secret chooses freely within these limits, so that it fits wherever it is used:
configuration files, URLs, SQL, HTTP headers.
"""

import base64
import binascii
import secrets as randomness
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_PASSWORD = 72
"""Bytes of a password that bcrypt, with which Keystone stores it, takes into account."""

KEY_LENGTH = 32
"""Characters of a key for AES-256, such as Heat's auth_encryption_key."""


@dataclass(frozen=True)
class Kind:
    """A kind of secret.

    ``description`` is for the documentation. ``make`` returns a new secret; ``wrong`` returns what
    is wrong with one, without showing it, or an empty text; ``wanted`` says what is right.
    """

    description: str
    wanted: str
    make: Callable[[], str]
    wrong: Callable[[str], str]


def malformed(value: str) -> str:
    """Return what is wrong with ``value`` as a secret of any kind, or an empty text."""
    if not value:
        return "it is empty"
    if not (value.isascii() and value.isprintable()):
        return "it has a line break, a control character or one outside ASCII"
    if value != value.strip():
        return "it begins or ends with a space"
    return ""


def _wrong_password(value: str) -> str:
    return f"it is longer than {MAX_PASSWORD} characters" if len(value) > MAX_PASSWORD else ""


def _wrong_key(value: str) -> str:
    return "" if len(value) == KEY_LENGTH else f"it has {len(value)} characters"


def _wrong_fernet(value: str) -> str:
    try:
        # Python's decoder would drop characters that are not of the alphabet.
        key = base64.b64decode(value.translate(str.maketrans("-_", "+/")), validate=True)
    except binascii.Error:
        return "it is not base64"
    if len(key) != 32:
        return f"it has {len(key)} bytes"
    return "" if base64.urlsafe_b64encode(key).decode() == value else "it is not URL-safe base64"


KINDS: Mapping[str, Kind] = {
    "password": Kind(
        "32 hexadecimal digits",
        f"1 to {MAX_PASSWORD} printable ASCII characters, without a space at either end",
        lambda: randomness.token_hex(16),
        _wrong_password,
    ),
    "key": Kind(
        "32 hexadecimal digits; another one has as many characters",
        f"{KEY_LENGTH} printable ASCII characters, without a space at either end",
        lambda: randomness.token_hex(16),
        _wrong_key,
    ),
    "fernet": Kind(
        "URL-safe base64 of 32 bytes, a key of cryptography.fernet",
        "URL-safe base64 of 32 bytes, 44 characters: python3 -c "
        "'import os, base64; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'",
        lambda: base64.urlsafe_b64encode(randomness.token_bytes(32)).decode(),
        _wrong_fernet,
    ),
}
"""The kinds by the name that contracts give them."""


def wrong(kind: str, value: object) -> str:
    """Return what is wrong with ``value`` as a secret of the ``kind``, or an empty text."""
    if not isinstance(value, str):
        return "it is not a string"
    return malformed(value) or KINDS[kind].wrong(value)
