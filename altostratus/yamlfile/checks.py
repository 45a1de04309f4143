# SPDX-License-Identifier: Apache-2.0
"""Checks of any file: whether it can be read, and whether it has the form of its schema."""

from altostratus.yamlfile import problems
from altostratus.yamlfile.problems import Check

INVALID = problems.UNNAMED

ENCODING = Check("E1001", "encoding", "The file is not UTF-8")
SYNTAX = Check("E1002", "syntax", "The file is not YAML")
DEPTH = Check("E1003", "depth", "Lists and mappings are nested too deeply")
SIZE = Check("E1004", "size", "The file has too many values, aliases expanded")
DOCUMENTS = Check("E1005", "documents", "The file has a second YAML document")
TAG = Check("E1006", "tag", "A value has a YAML tag")
ALIAS = Check("E1007", "alias", "An alias has no anchor before it")
COMPLEX_KEY = Check("E1008", "complex-key", "The key of a mapping is a list or a mapping")
MERGE_KEY = Check("E1009", "merge-key", "A mapping has a merge key (`<<`), which YAML 1.2 lacks")
DUPLICATE_KEY = Check("E1010", "duplicate-key", "A mapping has a key twice")

TYPE = Check("E1101", "type", "A value has the wrong type")
UNKNOWN_KEY = Check("E1102", "unknown-key", "A mapping has a key that its schema lacks")
MISSING_KEY = Check("E1103", "missing-key", "A mapping lacks a required key")
CHOICE = Check("E1104", "choice", "A value is none of those that are allowed")
PATTERN = Check("E1105", "pattern", "A text or a key has the wrong form")
RANGE = Check("E1106", "range", "A number is too small or too large")
ITEMS = Check("E1107", "items", "A list has too few or too many items")
EMPTY = Check("E1108", "empty", "A mapping that needs an entry is empty")
DUPLICATE_VALUE = Check("E1109", "duplicate-value", "A value that must be unique is there twice")
HOST_BITS = Check("E1110", "host-bits", "A network in CIDR notation has host bits set")
