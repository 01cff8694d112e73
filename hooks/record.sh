#!/bin/sh
# agentlock hook: @HOOK@. Written by `agentlock hooks install`, which overwrites edits.
# The hook that was here before lies next to this file and runs first. Then agentlock notes in the
# background what git has done: git does not wait, and nothing is refused here.
hook=@HOOK@ reads_stdin='@READS_STDIN@'
python=''
use() {
    if [ -z "$python" ] && [ -x "$1" ] && [ -f "$2" ]; then
        python=$1 program=$2
    fi
}
# The first of these that exists is used: a repository that is mounted in several places, with
# another Python in each, keeps one line for each.
@PINS@
# end of pins
beside=${0%/*}/$hook.before-agentlock
git_dir=${GIT_DIR:-.git}
status=0 lines=''

# The commit that HEAD names. It must be read before git goes on; to read the files of HEAD and of
# its branch saves a git command.
read_made() {
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

[ -z "$reads_stdin" ] || lines=$(cat && printf x) || exit
for before in @FORMER@ "$beside"; do
    [ -x "$before" ] || continue
    if [ -z "$reads_stdin" ]; then
        "$before" "$@" || status=$?
    else
        printf %s "${lines%x}" 2>/dev/null | "$before" "$@" || status=$?
    fi
done
[ -n "$python" ] || exit $status

if [ "$hook" = post-commit ]; then
    # A rebase ends with post-rewrite, which gets all its commits at once.
    ! [ -d "$git_dir/rebase-merge" ] && ! [ -d "$git_dir/rebase-apply" ] || exit $status
    replayed=
    [ ! -s "$git_dir/CHERRY_PICK_HEAD" ] || read -r replayed <"$git_dir/CHERRY_PICK_HEAD"
    read_made
    set -- "$made" "$replayed"
fi
if [ -z "$reads_stdin" ]; then
    "$python" -I -S "$program" hook "$hook" "$@" </dev/null >/dev/null 2>&1 &
else
    printf %s "${lines%x}" | "$python" -I -S "$program" hook "$hook" "$@" >/dev/null 2>&1 &
fi
exit $status
