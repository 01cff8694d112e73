"""What the scripts of trials/, benchmarks/ and docs/generate/ have in common."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support.environment import heed_signals, make_home, sealed_environment

if TYPE_CHECKING:
    from collections.abc import Iterator


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose --help shows the docstring of the script."""
    first, _, rest = (doc or "").partition("\n")
    return argparse.ArgumentParser(
        description=first,
        epilog=rest.strip("\n"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


@contextlib.contextmanager
def sealed_folder(name: str, where: str | None = None) -> Iterator[Path]:
    """A temporary folder; the environment of this process is sealed, with its HOME in there."""
    with tempfile.TemporaryDirectory(
        prefix=f"agentlock-{name}-", dir=where, ignore_cleanup_errors=True
    ) as folder:
        path = Path(folder)
        path.chmod(0o755)  # a PostgreSQL server in it runs as another user
        heed_signals()
        make_home(path / "home")
        environment = sealed_environment(path / "home")
        os.environ.clear()
        os.environ.update(environment)
        yield path
