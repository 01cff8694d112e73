"""The entry: ``hook …`` goes to the guard without loading click, the rest to the command line.

A git hook runs this file by its path with ``python -I -S``: no site-packages, no PYTHONPATH, and
nothing imported that the guard does not need.
"""

import os
import sys

if not __package__:  # run by path: make the package importable, and nothing else
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


_NEVER_IN_A_SHORT_COMMAND = 50_000  # objects: it makes 13,000, and the default is 700


def run() -> None:
    """Be the program ``agentlock``, and end the process.

    To collect garbage and to take the interpreter apart takes a sixth of `check` (measured with
    benchmarks/starting.py). So a short command does neither. A long one collects its garbage in
    larger steps, and where something wants to be told of the end, the interpreter ends as usual.
    """
    import gc

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
        from agentlock.edit_hooks.run import main as edit_hook

        return edit_hook(arguments[2:])
    if arguments[:1] == ["hook"] and "--help" not in arguments:
        from agentlock.bundle import Bundle

        bundle = Bundle("-".join(arguments[1:2]))
        from agentlock.guard.early import Asked

        asked = Asked(arguments[1:])  # first: git works while the rest is loaded
        from agentlock.guard.run import main as hook

        bundle.note()
        code = hook(arguments[1:], asked)
        bundle.keep()
        return code
    from agentlock.cli.main import main as command_line

    return command_line(arguments)


if __name__ == "__main__":
    if sys.argv[1:3] == ["hook", "edit"]:
        # It ends within milliseconds: to collect garbage and to take the interpreter apart costs a
        # sixth of it. All that it says is written without a buffer, and the table is closed.
        import gc

        gc.disable()
        os._exit(main())
    run()
