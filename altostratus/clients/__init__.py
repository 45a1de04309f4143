# SPDX-License-Identifier: Apache-2.0
"""The clients of OpenStack's services, one module per service, with one translation of errors.

Every call is made with the session of ``altostratus.clients.session``. Nothing here imports a
client library when it is imported itself: that takes a second, and ``--help`` must not.
"""
