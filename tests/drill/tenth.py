"""Gives a process a tenth of a processor, as a cgroup's `cpu.max` of 2 ms in 20 does; it may run on when this is ended.

No privilege is needed, and none to be taken back: the process is stopped while it has used up its share. Linux.
"""

import os
import signal
import sys
import time

SHARE = 0.1
# No more than this is saved up while the process is idle.
MOST_SECONDS = 0.002
LOOK_SECONDS = 0.0005


def main(pid):
    clock = (~pid << 3) | 2  # what clock_getcpuclockid(3) answers: the time of all its threads on processors
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    left, stopped = MOST_SECONDS, False
    now, used = time.monotonic(), time.clock_gettime(clock)
    try:
        while True:
            time.sleep(LOOK_SECONDS)
            then, before = now, used
            now, used = time.monotonic(), time.clock_gettime(clock)
            left = min(MOST_SECONDS, left + SHARE * (now - then)) - (used - before)
            if (left < 0) != stopped:
                stopped = left < 0
                os.kill(pid, signal.SIGSTOP if stopped else signal.SIGCONT)
    except (ProcessLookupError, OSError):
        return  # it is gone
    finally:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
