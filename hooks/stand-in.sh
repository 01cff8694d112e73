# agentlock hook: stand-in. Written by `agentlock hooks install`, which overwrites edits.
# The commands of git's configuration (hook.agentlock-*, git 2.54 and newer) source this, with
# $hook, and $common for git's common directory. Git runs them before the hook of the same name in
# its hooks folder: where that one is ours, it decides, and here is nothing to do. Where git finds
# another folder (core.hooksPath), or none, the script beside this one decides in its place.
folder=$(git rev-parse --git-path hooks)
if [ -x "$folder/$hook" ] && { read -r line && read -r line; } <"$folder/$hook"; then
    case $line in "# agentlock hook: $hook. "*) exit 0 ;; esac
fi
exec "$common/agentlock/configured/$hook" "$@"
