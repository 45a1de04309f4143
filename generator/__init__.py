# SPDX-License-Identifier: Apache-2.0
"""Heat stacks, networks and metadata from one cloud file.

``cloudfile`` reads the file into a ``Cloud``, ``plan`` makes a ``Plan`` of it and of the service
``contracts``, and ``output`` renders that into files, the stack by ``heat``.
"""
