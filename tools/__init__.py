# SPDX-License-Identifier: Apache-2.0
"""What only developers run: the CI matrix, and the generated parts of the documentation."""
