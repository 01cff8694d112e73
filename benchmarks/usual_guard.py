"""A guard as one would write it first: click, subprocess, pathspec, every row read each time.

Beside ours in committing.py, to see what the care for the hook's path is worth.
"""

import sqlite3
import subprocess
import sys
import time

import click
import pathspec


@click.command(help=__doc__)
def guard() -> None:
    git_dir = subprocess.run(
        ["git", "rev-parse", "--git-common-dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    staged = subprocess.run(
        ["git", "diff", "--cached", "--name-only", "-z"], capture_output=True, text=True, check=True
    ).stdout.split("\0")[:-1]
    connection = sqlite3.connect(f"{git_dir}/agentlock/agentlock.sqlite3")
    rows = connection.execute(
        "SELECT path_pattern FROM file_reservations WHERE released_ts IS NULL AND expires_ts > ?",
        (time.time_ns() // 1000,),
    ).fetchall()
    for (pattern,) in rows:
        spec = pathspec.PathSpec.from_lines("gitignore", [pattern])
        for path in staged:
            if spec.match_file(path):
                click.echo(f"{path} is held: {pattern}", err=True)
                sys.exit(1)


if __name__ == "__main__":
    guard()
