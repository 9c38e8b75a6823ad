"""Processes that a rehearsal, a drill or a soak started."""

import signal
import subprocess


def stop(process):
    """As an operator or an orchestrator does."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
