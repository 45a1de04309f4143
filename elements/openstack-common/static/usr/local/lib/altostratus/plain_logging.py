# SPDX-License-Identifier: Apache-2.0
"""Make oslo.log safe for native threads; import this before oslo.log is set up.

Where eventlet is imported, patched or not, Zed's oslo.log gives Python's logging one of eventlet's
locks. When two native threads want it at once, one of them waits for ever. oslo.privsep 3.1 asks
oslo.log for a plain lock (bug 1995514).
"""

from oslo_log import log

log._fix_eventlet_logging = lambda: None
