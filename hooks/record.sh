#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# What was here before runs first, from the file beside this one; then the ledger gets the commit,
# in the background: git does not wait, and nothing is refused here.
python=''
use() {
    if [ -z "$python" ] && [ -x "$1" ] && [ -f "$2" ]; then
        python=$1 program=$2
    fi
}
# The first that is here: where the repository is mounted elsewhere too, each place has its own.
@PINS@
# end of pins
beside=${0%/*}/@HOOK@.before-agentlock
git_dir=${GIT_DIR:-.git}
status=0 lines=''

# HEAD must be read before git goes on. Where it is a file, reading it saves a git command.
made_now() {
    common=$git_dir
    {
        read -r made <"$git_dir/HEAD"
        if [ -f "$git_dir/commondir" ]; then
            read -r common <"$git_dir/commondir"
            [ "${common#/}" != "$common" ] || common=$git_dir/$common
        fi
        [ "${made#ref: }" = "$made" ] || read -r made <"$common/${made#ref: }"
    } 2>/dev/null
    case $made in
    *[!0-9a-f]* | '') made=$(git rev-parse --verify HEAD) ;;
    esac
}

[ @HOOK@ = post-commit ] || lines=$(cat && printf x) || exit
for before in @FORMER@ "$beside"; do
    [ -x "$before" ] || continue
    if [ @HOOK@ = post-commit ]; then
        "$before" "$@" || status=$?
    else
        printf %s "${lines%x}" 2>/dev/null | "$before" "$@" || status=$?
    fi
done
[ -n "$python" ] || exit $status

if [ @HOOK@ = post-rewrite ]; then
    printf %s "${lines%x}" | "$python" -I -S "$program" hook @HOOK@ >/dev/null 2>&1 &
elif ! [ -d "$git_dir/rebase-merge" ] && ! [ -d "$git_dir/rebase-apply" ]; then
    # A rebase ends with post-rewrite, which knows all its commits at once.
    replayed=
    [ ! -s "$git_dir/CHERRY_PICK_HEAD" ] || read -r replayed <"$git_dir/CHERRY_PICK_HEAD"
    made_now
    "$python" -I -S "$program" hook @HOOK@ "$made" "$replayed" </dev/null >/dev/null 2>&1 &
fi
exit $status
