# SPDX-License-Identifier: Apache-2.0
"""References in the values of service contracts: ``mysql://glance:{secret:…}@{address:mariadb}/``.

A value with references stays symbolic until it is rendered: as Heat functions for a stack, as
literals for a metadata file.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

REGION = "RegionOne"
"""The region of every cloud, which is what ``{region}`` stands for."""

KINDS: Mapping[str, str] = {
    "secret": "a generated secret of a contract",
    "address": "the address of the first instance with the service, on the service network",
    "addresses": "the addresses of all instances with the service, as a list, on that network",
    "public": "the address of the first instance with the service, on the public network",
    "region": "the name of the region",
    "self": "of the instance itself: name, role, type, address, NETWORK.address",
}
"""Every kind of reference and what it stands for."""

ADDRESSES = frozenset({"address", "addresses", "public"})
"""The kinds whose name is a service."""

_REFERENCE = re.compile(r"\{([a-z]+)(?::([^{}\s]*))?\}")

_ACCOUNT = re.compile(r"[A-Za-z][\w+.-]*://[^\s/]*$")

URL_ENCODING: Mapping[str, str] = {
    character: encoded
    for character in map(chr, range(32, 127))
    if (encoded := quote(character, safe="")) != character
}
"""How a character of a secret is written in a URL: RFC 3986, section 2.1."""

_OWN = re.compile(r"name|role|type|address|[a-z][a-z0-9-]*\.address")


@dataclass(frozen=True, slots=True)
class Reference:
    """``{kind:name}``; the name of ``{region}`` is empty."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return the reference as contracts write it."""
        return f"{{{self.kind}:{self.name}}}" if self.name else f"{{{self.kind}}}"


@dataclass(frozen=True, slots=True)
class Text:
    """A string with at least one reference, cut into its literal and symbolic parts."""

    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references, in order."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    @property
    def quoted(self) -> tuple[bool, ...]:
        """For each part, whether it is a secret in a URL: name or password of an account there.

        An @ or a / in it would end the account, so it is written by URL_ENCODING.
        """
        before, found = "", []
        for part in self.parts:
            is_secret = isinstance(part, Reference) and part.kind == "secret"
            found.append(is_secret and _ACCOUNT.search(before) is not None)
            before += part if isinstance(part, str) else "x"
        return tuple(found)

    @property
    def whole(self) -> Reference | None:
        """The reference, if the string is nothing else."""
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, Reference) else None


Value = None | bool | int | float | str | Text | Sequence["Value"] | Mapping[str, "Value"]
"""JSON in which strings may be symbolic."""


def parse(value: object) -> Value:
    """Return ``value`` (JSON) with every string that has references turned into a Text."""
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, Mapping):
        return {key: parse(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [parse(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(f"not JSON: {value!r}")


def _parse_text(text: str) -> str | Text:
    parts: list[str | Reference] = []
    end = 0
    for match in _REFERENCE.finditer(text):
        parts += [text[end : match.start()], Reference(match[1], match[2] or "")]
        end = match.end()
    if not parts:
        return text
    return Text(tuple(part for part in [*parts, text[end:]] if part != ""))


def texts(value: Value) -> Iterator[Text]:
    """Yield every symbolic string inside ``value``."""
    if isinstance(value, Text):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from texts(item)


def references(value: Value) -> Iterator[Reference]:
    """Yield every reference inside ``value``, in order, repetitions included."""
    for text in texts(value):
        yield from text.references


def problems(value: Value) -> Iterator[str]:
    """Yield what is wrong with the references inside ``value`` on their own."""
    for text in texts(value):
        for reference in text.references:
            if reference.kind not in KINDS:
                yield f"unknown reference {reference}; known: {', '.join(sorted(KINDS))}"
            elif bool(reference.name) == (reference.kind == "region"):
                yield f"{reference}: a name is {'not allowed' if reference.name else 'missing'}"
            elif reference.kind == "self" and not _OWN.fullmatch(reference.name):
                yield f"{reference}: unknown; known: {KINDS['self'].partition(': ')[2]}"
            elif reference.kind == "addresses" and not text.whole:
                yield f"{reference} is a list and must be the whole value"
