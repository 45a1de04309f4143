# SPDX-License-Identifier: Apache-2.0
"""Import this before what sets up oslo.log, where threads of the system serve: they may log then.

Where eventlet is imported, patched or not, Zed's oslo.log gives Python's logging one of eventlet's
locks. Of two threads of the system that want it at once, one waits for good. oslo.privsep 3.1 asks
oslo.log for a plain lock (bug 1995514).
"""

from oslo_log import log

log._fix_eventlet_logging = lambda: None
