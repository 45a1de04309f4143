# SPDX-License-Identifier: Apache-2.0
"""A cloud in the undercloud: its stack, its parameters, and the proof that it works."""
