"""What importing ``weft`` settles for the whole process."""

from __future__ import annotations

import subprocess
import sys

import pytest

THREADS = """
import ctypes, sys, threading
{first}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fopen.restype = ctypes.c_void_p
gate = threading.Barrier(8)
def take():
    gate.wait()
    libc.malloc(ctypes.c_size_t(1000))
    gate.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fflush(file)
"""


def heaps(first: str) -> int:
    answer = subprocess.run(
        [sys.executable, "-c", THREADS.format(first=first)], capture_output=True, text=True, check=True, timeout=60
    )
    return answer.stdout.count("<heap ")


def test_threads_share_two_heaps() -> None:
    if "glibc" not in subprocess.run(["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True).stdout:
        pytest.skip("another C library than glibc")
    assert heaps("") > 2, "without weft every thread has a heap: the test would see it"
    assert heaps("import weft") <= 2
