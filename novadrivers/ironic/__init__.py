# SPDX-License-Identifier: Apache-2.0
"""Nova's ironic driver, with what it needs beside other drivers on a node."""
