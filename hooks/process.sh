# The git process that runs this hook, as no other process is called: its number, the moment when it
# was started and the place of its stack (proc(5), fields 22 and 28; processes.py says the same). The
# number alone is given again, and every container counts from 1. The places differ even if two are
# started in the same moment. Fails where that cannot be told: no /proc, the /proc of other processes,
# or a parent that is not git, such as a proxy or a hook manager, which may run the hooks of many
# commits. sh reads byte by byte, so it is asked only if there is a word for this number.
find_process() {
    [ /proc/self -ef "/proc/$$" ] && read -r line <"/proc/$PPID/stat" || return
    case $line in
    "$PPID (git) "* | "$PPID (git-"*) ;;
    *) return 1 ;;
    esac
    # shellcheck disable=SC2086  # fields 3 and following
    set -- ${line##*) }
    # shellcheck disable=SC2034  # the script that this becomes a part of uses it
    process=$PPID.${20}.${26}
} 2>/dev/null
