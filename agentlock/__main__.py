"""The entry. Python compiles it at each start, so all that can be elsewhere is in doors.py."""

import os
import sys

if not __package__:  # run by path: make the package importable, and nothing else
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from agentlock.doors import main, run

__all__ = ["main", "run"]

if __name__ == "__main__":
    run()
