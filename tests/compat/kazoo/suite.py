"""The kazoo suite: runs every case of the modules named below, one after the other.

In: TK_CONNECT and TK_CONTROL. Out: one line per case on stdout. Not here: any case.
"""

import logging
import os
import sys

import harness

import operations  # noqa: F401  (importing a module registers its cases)
import errors  # noqa: F401
import acls  # noqa: F401
import transactions  # noqa: F401
import watches  # noqa: F401
import locks  # noqa: F401
import recipes  # noqa: F401
import sessions  # noqa: F401
import monitoring  # noqa: F401

logging.disable(logging.CRITICAL)
harness.run_all(only=sys.argv[1:])
sys.stdout.flush()
# A case that timed out may have left threads behind that nothing can stop.
os._exit(0)
