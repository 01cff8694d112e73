#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# What was here before runs first, from the file beside this one; then agentlock decides.
# Where agentlock cannot be asked, git is refused.
@ASK@
beside=${0%/*}/@HOOK@.before-agentlock
refs='' ran=''

# prepare-commit-msg is not skipped by --no-verify, and judges again, unless the same git command
# has just had the same index cleared by pre-commit: agentlock keeps that index under git's process
# id, and a word says whose turn it is to pass (agentlock/guard/clearance.py). Then it is that of
# reference-transaction, for the commit that is made.
recognised() {
    [ @HOOK@ = prepare-commit-msg ] || return 1
    git_dir=${GIT_DIR:-.git}
    read -r word <"$git_dir/agentlock-cleared" && [ "$word" = "$PPID prepare-commit-msg" ] &&
        echo "$PPID reference-transaction" >"$git_dir/agentlock-cleared" &&
        [ "${GIT_INDEX_FILE:-$git_dir/index}" -ef "$git_dir/agentlock-cleared-$PPID" ]
} 2>/dev/null

# `agentlock doctor` asks whether this hook fires and refuses. While the variable is set nothing
# gets through, whatever the guard says; only therefore may the hooks before ours be left out, and
# only where a refusal stops git.
case ${AGENTLOCK_PROBE+probe}:@HOOK@ in
probe:post-*) ;;
probe:*)
    (ask "$@")
    code=$?
    [ $code -ne 0 ] || code=3
    exit $code
    ;;
esac

for before in @FORMER@ "$beside"; do
    [ -x "$before" ] || continue
    ran=yes
    if [ @HOOK@ = pre-push ] || [ @HOOK@ = pre-receive ]; then
        # All must read the same refs; the x keeps the last newline through the substitution. Who
        # reads none of them breaks the pipe, which is nobody's business.
        [ -n "$refs" ] || refs=$(cat && printf x) ||
            refuse "what git pushes cannot be read from stdin" "git push again"
        printf %s "${refs%x}" 2>/dev/null | "$before" "$@" || exit
    else
        "$before" "$@" || exit
    fi
done
# lefthook writes its hooks anew, over ours, when it runs and finds its configuration changed.
if [ -n "$ran" ]; then
    { read -r line && read -r line; } <"$0" 2>/dev/null
    case ${line-} in
    '# agentlock hook: @HOOK@'*) ;;
    *)
        "$python" -I "$program" hooks install </dev/null >/dev/null 2>&1 ||
            refuse "what ran before this hook has replaced it" "agentlock hooks install"
        echo "agentlock: what ran before this hook had replaced it: installed again" >&2
        ;;
    esac
fi
if [ -n "$refs" ]; then
    printf %s "${refs%x}" | ask "$@"
    exit
fi
recognised && exit 0
# What git had changed before it asked can be taken back: its process says which command that was.
case @HOOK@ in
pre-commit | pre-merge-commit | prepare-commit-msg) set -- "$PPID" ;;
esac
if [ @HOOK@ = prepare-commit-msg ] && [ -x "${0%/*}/reference-transaction" ]; then
    set -- "$@" --strict
fi
ask "$@"
