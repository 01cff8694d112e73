#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# What was here before runs first, from the file beside this one; then agentlock decides.
# Where agentlock cannot be asked, git is refused.
python=@PYTHON@
program=@PROGRAM@
before=${0%/*}/@HOOK@.before-agentlock

if ! [ -x "$python" ] || ! [ -f "$program" ]; then
    echo "agentlock: refused: the program that guards this repository is gone ($python, $program)" >&2
    echo "  mend it: install agentlock again, then run: agentlock hooks install" >&2
    exit 3
fi

if ! [ -x "$before" ]; then
    exec "$python" -I -S "$program" hook @HOOK@ "$@"
fi

if [ @HOOK@ = pre-push ]; then
    # Both must read the same refs; the x keeps the last newline through the substitution.
    refs=$(cat && printf x) || exit 3
    refs=${refs%x}
    printf %s "$refs" | "$before" "$@" || exit
    printf %s "$refs" | "$python" -I -S "$program" hook @HOOK@ "$@"
    exit
fi

"$before" "$@" || exit
exec "$python" -I -S "$program" hook @HOOK@ "$@"
