"""Runs a command among the processes and mounts of another: within_pids.py PID COMMAND...

The command has a process number there, so it cannot be this process itself: what this one is told
(SIGTERM, SIGINT, SIGHUP) it hands on, SIGUSR1 as SIGKILL, and its exit status is the command's. Killed, it
takes the command with it.
"""
import ctypes
import os
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
handed_on = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}

spaces = [os.open(f"/proc/{sys.argv[1]}/ns/{name}", os.O_RDONLY) for name in ("pid", "cgroup", "mnt")]
for space in spaces:
    if libc.setns(space, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(space)
signal.pthread_sigmask(signal.SIG_BLOCK, handed_on)
child = os.fork()
if child == 0:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handed_on)
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    got = signal.sigwait(handed_on)
    if got != signal.SIGCHLD:
        os.kill(child, signal.SIGKILL if got == signal.SIGUSR1 else got)
        continue
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended == child:
        sys.exit(os.waitstatus_to_exitcode(status) % 256)
