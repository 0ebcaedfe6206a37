"""The registers of a process are put back in the form that User Mode Linux keeps them in."""

import os
import subprocess
import sys

from lab import xstate

TRACER = """
import ctypes, os, signal

ATTACH_ME, END, GETREGSET, SETREGSET, XSTATE = 0, 8, 0x4204, 0x4205, 0x202
AS_KEPT_BY_USER_MODE_LINUX = 2696

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

class IoVec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

def registers(request, content):
    vector = IoVec(ctypes.addressof(content), len(content))
    if libc.ptrace(request, child, XSTATE, ctypes.addressof(vector)) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    return vector.length

child = os.fork()
if child == 0:
    libc.ptrace(ATTACH_ME, 0, None, None)
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
os.waitpid(child, 0)
try:
    kept = ctypes.create_string_buffer(AS_KEPT_BY_USER_MODE_LINUX)
    length = registers(GETREGSET, kept)
    kept[160:176] = bytes(range(16))  # xmm0, at its place in the legacy area
    kept[512] = bytes([kept[512][0] | 2])  # and said to be in use
    for _ in range(2):
        registers(SETREGSET, kept)
        seen = ctypes.create_string_buffer(AS_KEPT_BY_USER_MODE_LINUX)
        registers(GETREGSET, seen)
        assert seen.raw[:length] == kept.raw[:length]
finally:
    libc.ptrace(END, child, None, None)
    os.waitpid(child, 0)
"""


def test_registers_are_put_back_as_they_were() -> None:
    environment = os.environ | xstate.preloaded()
    traced = subprocess.run(
        [sys.executable, "-c", TRACER], env=environment, capture_output=True, text=True
    )
    assert traced.returncode == 0, traced.stderr
