#!/bin/sh
# agentlock hook: @HOOK@, passed on. Written by `agentlock hooks install`, which overwrites edits.
# agentlock asks nothing here. This runs what git would run if core.hooksPath had not been changed.
theirs=@FORMER@
later=${0%/*}/@HOOK@.before-agentlock
if [ -x "$later" ] && [ -x "$theirs" ]; then
    input=$(cat && printf x) || exit
    printf %s "${input%x}" 2>/dev/null | "$theirs" "$@" || exit
    printf %s "${input%x}" 2>/dev/null | "$later" "$@"
    exit
fi
[ -x "$theirs" ] || theirs=$later
[ -x "$theirs" ] || exit 0
exec "$theirs" "$@"
