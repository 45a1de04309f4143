# SPDX-License-Identifier: Apache-2.0
"""From a cloud and the contracts of its services to the metadata of each role."""
