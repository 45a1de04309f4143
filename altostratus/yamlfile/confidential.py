# SPDX-License-Identifier: Apache-2.0
"""Which values of a file are secrets, by the names of their keys: no message shows them."""

import re

HIDDEN = "the value (not shown: it may be a secret)"
"""What messages say instead of a secret value."""

_WORDS = frozenset(["pass", "pw", "pwd", "pin", "authorization"])
_PARTS = ("password", "passwd", "passphrase", "secret", "token", "credential")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")


def is_secret(name: str) -> bool:
    """Return whether a key called ``name`` holds a secret, in any usual spelling.

    ``pm_password``, ``HeatAuthEncryptionKey``, ``api-token`` and ``fernet-key-0`` do; ``KeyName``
    and ``key`` alone name or sort things.
    """
    words = _SEPARATORS.sub(" ", _CAMEL.sub(" ", name)).lower().split()
    joined = "".join(words)
    # fernet-key-0 is one of several keys.
    while words and words[-1].isdecimal():
        words.pop()
    is_key = len(words) > 1 and re.fullmatch(r"keys?[0-9]*", words[-1]) is not None
    return is_key or not _WORDS.isdisjoint(words) or any(part in joined for part in _PARTS)
