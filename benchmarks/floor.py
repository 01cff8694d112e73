"""What no guard in Python can do without: git's answer, SQLite, one row. It decides nothing.

Next to ours in committing.py. It loads SQLite as ours does (agentlock/store/sqlite/driver.py). With
the name of a file it writes there when each part had ended, as marking.py does for ours.
"""

import os
import sys
import time

QUESTION = ("git", "diff-index", "--cached", "--raw", "-z", "--no-renames", "HEAD", "--")
DATABASE = "file:.git/agentlock/agentlock.sqlite3?mode=ro"
ROW = (
    "SELECT id FROM file_reservations"
    " WHERE project_id = 1 AND prefix_key = ? AND released_ts IS NULL"
)


def main() -> None:
    moments = [time.time()]
    reading, writing = os.pipe()
    to_pipe = [(os.POSIX_SPAWN_DUP2, writing, 1)]
    child = os.posix_spawnp("git", QUESTION, os.environb, file_actions=to_pipe)
    os.close(writing)
    moments.append(time.time())

    stand_in = type(sys)("functools")
    stand_in.lru_cache = lambda _size: lambda function: function  # type: ignore[attr-defined]
    sys.modules["functools"] = stand_in
    import _sqlite3

    table = _sqlite3.connect(DATABASE, uri=True, isolation_level=None)
    found = table.execute(ROW, ("src/0/0.txt",)).fetchall()
    moments.append(time.time())
    while os.read(reading, 1 << 16):
        pass
    os.waitpid(child, 0)
    moments.append(time.time())
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="ascii") as file:
            file.write(" ".join(map(str, moments)))
    os._exit(len(found))


if __name__ == "__main__":
    if "--help" in sys.argv:  # argparse would cost more than all that is measured
        print(f"usage: floor.py, in a repository that is guarded\n\n{__doc__}")
        sys.exit()
    main()
