"""Which door: ``hook …`` goes to the guard without loading click, the rest to the command line.

A git hook runs it with ``python -I -S``: no site-packages, no PYTHONPATH, and nothing imported that
the guard does not need.
"""

import os
import sys

_NEVER_IN_A_SHORT_COMMAND = 200_000  # objects, where the default is 700


def run() -> None:
    """Be the program ``agentlock``, and end the process.

    To collect garbage and to take the interpreter apart takes a sixth of `check` (measured with
    benchmarks/starting.py). So a short command does neither. A long one collects its garbage in
    larger steps, and where something wants to be told of the end, the interpreter ends as usual.
    """
    import gc

    if sys.argv[1:3] == ["hook", "edit"]:
        gc.disable()
        os._exit(_edit_hook())  # all that it says is written without a buffer
    gc.set_threshold(_NEVER_IN_A_SHORT_COMMAND)
    code = main()
    if sys.modules.keys().isdisjoint(("atexit", "threading")):
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except (OSError, ValueError):  # the interpreter tells of it as usual
            sys.exit(code)
        os._exit(code)
    sys.exit(code)


def main() -> int:
    """Run the command line with ``sys.argv``; the exit code."""
    arguments = sys.argv[1:]
    if arguments[:2] == ["hook", "edit"]:
        return _edit_hook()
    if arguments[:1] == ["hook"] and "--help" not in arguments:
        return _git_hook(arguments[1:])
    from agentlock.cli.main import main as command_line

    return command_line(arguments)


def _edit_hook() -> int:
    from agentlock.bundle import Bundle

    bundle = Bundle("edit")
    from agentlock.edit_hooks.run import main as hook

    bundle.note()
    return hook(sys.argv[3:], [bundle])


def _git_hook(arguments: list[str]) -> int:
    from agentlock.bundle import Bundle

    bundle = Bundle("-".join(arguments[:1]))
    from agentlock.guard.early import Asked

    asked = Asked(arguments)  # first: git works while the rest is loaded
    from agentlock.guard.run import main as hook

    bundle.note()
    code = hook(arguments, asked)
    bundle.keep()
    return code
