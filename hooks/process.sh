# The git process that runs this hook, as no other process is called: its number, the moment when it
# was started and the place of its stack (proc(5), fields 22 and 28). The number alone is given again,
# and every container counts from 1. The places differ even if two are started in the same moment.
# Nothing, where that cannot be told: no /proc, the /proc of other processes, or a parent that is not
# git, such as a proxy or a hook manager, which may run the hooks of many commits.
process=''
find_process() {
    read -r own _ </proc/self/stat && [ "$own" = $$ ] && read -r line <"/proc/$PPID/stat" || return
    case $line in
    "$PPID (git) "* | "$PPID (git-"*) ;;
    *) return ;;
    esac
    # shellcheck disable=SC2086  # fields 3 and following
    set -- ${line##*) }
    # shellcheck disable=SC2034  # the script that this becomes a part of uses it
    process=$PPID.${20}.${26}
} 2>/dev/null
