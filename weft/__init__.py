"""The craft of Weft: rasters and STAC in, rasters and STAC out.

Belongs here: everything that can be tested without an orchestrator. Never imports dagster, assets, resources or
pipelines.
"""

import contextlib
import ctypes
import os

__version__ = "0.1.0"

# OpenMP reads it when the first parallel kernel is loaded. By default its threads spin for a while after each kernel,
# and take the processor from the threads that decode: on a busy machine that cost more than the smaller kernels did.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# glibc gives each thread a heap of its own and keeps what is freed there: memory crept up with every sheet that was
# mosaicked. Two heaps serve a handful of threads that seldom allocate just as fast. Other C libraries lack the call.
_M_ARENA_MAX = -8
with contextlib.suppress(AttributeError, OSError):
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
