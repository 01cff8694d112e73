#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# The hook that was here before is kept next to this folder and runs first. Then agentlock decides,
# also if that hook refused: an agent must not repair what it may not commit. If agentlock cannot be
# asked, git is refused.
hook=@HOOK@ reads_stdin='@READS_STDIN@' clears='@CLEARS@' cleared_by='@CLEARED_BY@' stays='@STAYS@'
@ASK@
@PROCESS@
@STAYED@
kept=${0%/*}
kept=${kept%/}.before-agentlock
refs='' ran='' status=0

# Whether an earlier hook of the same git command has already judged the same index. agentlock keeps
# that index under the name of git's process, and a word that says which hook may pass next
# (agentlock/guard/clearance.py). This hook then writes the name of the hook after it.
recognised() {
    [ -n "$cleared_by" ] || return 1
    git_dir=${GIT_DIR:-.git}
    read -r word <"$git_dir/agentlock-cleared" && [ "${word%%.*}" = "$PPID" ] &&
        find_process && [ "$word" = "$process $hook" ] &&
        echo "$process $clears" >"$git_dir/agentlock-cleared" &&
        [ "${GIT_INDEX_FILE:-$git_dir/index}" -ef "$git_dir/agentlock-cleared-$process" ]
} 2>/dev/null

# `agentlock doctor` sets AGENTLOCK_PROBE to prove that git runs this hook and that it refuses.
# While the variable is set, nothing gets through, whatever the guard says. That is why the hooks
# that were here before may be left out.
if [ -n "${AGENTLOCK_PROBE+set}" ]; then
    (ask "$@")
    code=$?
    [ $code -ne 0 ] || code=3
    exit $code
fi

# Only git's configuration runs a script in this folder, and only if core.hooksPath leads elsewhere
# (stand-in.sh). It is put back once for each git command; that a command sets it changes nothing.
case $0 in
*/agentlock-guard/configured/*)
    put_back=''
    { read -r put_back <"${0%/*}/put-back"; } 2>/dev/null
    if [ "$put_back" != "$PPID" ]; then
        { echo "$PPID" >"${0%/*}/put-back"; } 2>/dev/null
        "$python" -I "$program" hooks install --if-led-away </dev/null >/dev/null
    fi
    ;;
esac

# `pre-commit install` keeps this hook as its legacy one and runs it before its own hooks. Its former
# script, which may be the hook that was here before, must not run then: it takes that for a bug.
is_running_already() {
    [ -n "${PRE_COMMIT_RUNNING_LEGACY-}" ] && grep -q https://pre-commit.com "$1" 2>/dev/null
}

for before in @FORMER@ "$kept/$hook" "$kept"-[2-9]/"$hook"; do
    [ -x "$before" ] || continue
    ! is_running_already "$before" || continue
    ran=yes
    if [ -n "$reads_stdin" ]; then
        # Every hook must read the same refs. The x keeps the last newline, which $( ) would drop.
        # A hook that reads none of them breaks the pipe, which does no harm.
        [ -n "$refs" ] || refs=$(cat && printf x) ||
            refuse "what git pushes cannot be read from stdin" "git push again"
        printf %s "${refs%x}" 2>/dev/null | "$before" "$@" || status=$?
    else
        "$before" "$@" || status=$?
    fi
done
# lefthook rewrites its hooks, also over ours, when it runs and finds its configuration changed.
if [ -n "$ran" ]; then
    { read -r line && read -r line; } <"$0" 2>/dev/null
    case ${line-} in
    "# agentlock hook: $hook"*) ;;
    *)
        "$python" -I "$program" hooks install </dev/null >/dev/null 2>&1 ||
            refuse "the hook that runs before this one has replaced it" "agentlock hooks install"
        echo "agentlock: the hook that runs before this one had replaced it: installed again" >&2
        ;;
    esac
fi
if [ -n "$refs" ]; then
    printf %s "${refs%x}" | ask "$@" || exit
    exit $status
fi
recognised && exit $status
[ -n "$stays" ] && ask_stayed "${GIT_INDEX_FILE-}" && exit $status
# The guard needs git's process id: to clear the index for the next hook, to stay for as long as git
# runs, and to tell how to take back what git changed before it asked, which depends on git's command.
if [ -n "$clears$stays" ]; then
    set -- "$PPID"
    [ "$clears" = reference-transaction ] && [ -x "${0%/*}/$clears" ] && set -- "$@" --strict
fi
ask "$@"
exit $status
