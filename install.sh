#!/bin/sh
# Installs agentlock from the checkout this file lies in, or takes it away again.
# docs/how-to/install.md says what it puts where.
set -eu

usage() {
	cat <<'USAGE'
usage: ./install.sh [--demo] [--repo DIR]...
       ./install.sh --uninstall

Installs agentlock for this user from this checkout: a private Python environment under
${XDG_DATA_HOME:-~/.local/share}/agentlock, and two links in ~/.local/bin.

  --demo         then shows two agents and one refused commit, in a scratch repository
  --repo DIR     then runs 'agentlock init' in DIR; may be given several times
  --uninstall    takes the hooks out of every repository, then removes every trace
  --help         prints this

For the Makefile:
  --print-python     the interpreter an installation would use
  --print-pythons    one for each suitable version of Python: "3.12 /path/to/python3.12"

Example: ./install.sh --demo --repo ~/src/project
USAGE
}

say() { printf 'agentlock: %s\n' "$*"; }
complain() { printf 'agentlock: %s\n' "$*" >&2; }
die() {
	complain "$*"
	exit 1
}
misuse() {
	complain "$*"
	complain "try: $0 --help"
	exit 2
}

# ---------------------------------------------------------------- finding an interpreter

names="python3 python3.19 python3.18 python3.17 python3.16 python3.15 python3.14 python3.13
	python3.12 python3.11 python3.10 python"

# Prints "VERSION LACKING PATH" and is the only judge of a candidate. It is run, not looked at:
# a pyenv shim may stand for any version, or for none. An active virtual environment gives way
# to the interpreter below it, which outlives it.
# shellcheck disable=SC2016  # Python's text, not the shell's
probe='
import sys
if sys.implementation.name != "cpython" or sys.version_info < (3, 10):
    sys.exit(1)
lacking = []
for name in ("ensurepip", "venv", "sqlite3", "ssl", "zlib"):
    try:
        __import__(name)
    except ImportError:
        lacking.append(name)
executable = getattr(sys, "_base_executable", None) or sys.executable
print("%d.%d" % sys.version_info[:2], ",".join(lacking) or "-", executable)
'

# Candidates, best first, one a line: each name everywhere on PATH, because a shim that fails may
# hide a good interpreter further on; then pyenv's own, where it is in use.
candidates() {
	for name in $names; do
		rest="${PATH-}:"
		while [ -n "$rest" ]; do
			folder=${rest%%:*}
			rest=${rest#*:}
			# An empty or relative entry means the current directory: nothing there is trusted.
			case $folder in /*) ;; *) continue ;; esac
			[ -f "$folder/$name" ] && [ -x "$folder/$name" ] && printf '%s\n' "$folder/$name"
		done
	done
	pyenv=${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}
	if command -v pyenv >/dev/null 2>&1 || case ":${PATH-}:" in *":$pyenv/"*) ;; *) false ;; esac; then
		for name in $names; do
			case $name in python3.*) ;; *) continue ;; esac # newest first
			for file in "$pyenv"/versions/*/bin/"$name"; do
				[ -f "$file" ] && [ -x "$file" ] && printf '%s\n' "$file"
			done
		done
	fi
	return 0
}

# Sets $python and $version; says why not and stops otherwise.
find_python() {
	python='' version='' lame='' lame_version='' lame_lacks=''
	while IFS= read -r candidate; do
		[ -n "$candidate" ] || continue
		answer=$("$candidate" -I -c "$probe" </dev/null 2>/dev/null) || continue
		read_answer "$answer" || continue
		if [ "$lacks" = - ]; then
			python=$executable
			return 0
		fi
		if [ -z "$lame" ]; then
			lame=$executable lame_version=$version lame_lacks=$lacks
		fi
	done <<CANDIDATES
$(candidates)
CANDIDATES
	case ",$lame_lacks," in
	,,) die "CPython 3.10 or newer is needed, and none was found on PATH." ;;
	*,ensurepip,* | *,venv,*)
		die "$lame (Python $lame_version) cannot make virtual environments; on Debian and Ubuntu 'apt install python3-venv' mends that."
		;;
	*) die "$lame (Python $lame_version) was built without $lame_lacks; install a complete CPython 3.10 or newer." ;;
	esac
}

read_answer() {
	version=${1%% *}
	lacks=${1#* }
	executable=${lacks#* }
	lacks=${lacks%% *}
	# A shim that prints something of its own has not answered.
	case $version in 3.[0-9]*) ;; *) return 1 ;; esac
	[ -x "$executable" ]
}

print_pythons() {
	seen=' '
	candidates | while IFS= read -r candidate; do
		answer=$("$candidate" -I -c "$probe" </dev/null 2>/dev/null) || continue
		read_answer "$answer" || continue
		[ "$lacks" = - ] || continue
		case $seen in *" $version "*) continue ;; esac
		seen="$seen$version "
		printf '%s %s\n' "$version" "$executable"
	done | LC_ALL=C sort -t . -k 2n
}

# ---------------------------------------------------------------- where things are

# The folder of this file, through symbolic links and from any current directory.
find_checkout() {
	self=$0
	while [ -L "$self" ]; do
		target=$(readlink "$self")
		case $target in
		/*) self=$target ;;
		*) self=$(dirname -- "$self")/$target ;;
		esac
	done
	checkout=$(cd -- "$(dirname -- "$self")" && pwd -P)
	grep -q '^name = "git-agentlock"' "$checkout/pyproject.toml" 2>/dev/null ||
		die "this script runs from a checkout of its repository, and $checkout is none."
}

find_folders() {
	case ${HOME-} in
	/*) ;;
	'') die "HOME is not set, so there is no place to install to." ;;
	*) die "HOME is '$HOME', which is not an absolute path." ;;
	esac
	case ${XDG_DATA_HOME-} in
	'' | /*) ;;
	*) die "XDG_DATA_HOME is '$XDG_DATA_HOME', which is not an absolute path." ;;
	esac
	bin=$HOME/.local/bin
	data=${XDG_DATA_HOME:-$HOME/.local/share}/agentlock
	venv=$data/venv
	new=$data/venv.new.$$
	builders=$data/builders.$$
	log=$data/install.log.$$
	rustup=$data/rustup.$$
	made=$data/made-folders
}

# Makes a folder and remembers each one that was not there, so that --uninstall leaves no trace.
made_now=''
make_folder() {
	[ -d "$1" ] && return 0
	make_folder "$(dirname -- "$1")"
	mkdir -- "$1" || die "cannot make the folder $1."
	made_now="$1
$made_now"
}

# Removes those that are empty, of a list with the deepest first.
remove_folders() {
	while IFS= read -r folder; do
		[ -z "$folder" ] || rmdir -- "$folder" 2>/dev/null || :
	done <<FOLDERS
$1
FOLDERS
}

link_is_ours() { [ -L "$bin/$1" ] && [ "$(readlink "$bin/$1")" = "$venv/bin/$1" ]; }

# ---------------------------------------------------------------- installing

# Whatever ends this run: no half-made environment, and none of its folders if it failed.
clean_up() {
	status=$?
	trap - EXIT
	[ -z "${new-}" ] || rm -rf -- "$new" "$builders" "$log" "$rustup"
	[ "$status" -eq 0 ] || [ -f "${made:-/nonexistent}" ] || remove_folders "$made_now"
	exit "$status"
}

# What a killed run left, unless another one is at work on it now.
sweep() {
	for leftover in "$data"/venv.new.* "$data"/venv.old.* "$data"/builders.* \
		"$data"/install.log.* "$data"/rustup.*; do
		[ -e "$leftover" ] || continue
		kill -0 "${leftover##*.}" 2>/dev/null || rm -rf -- "$leftover"
	done
}

step() { # step WHAT COMMAND...: quiet, unless it fails
	what=$1
	shift
	"$@" >"$log" 2>&1 </dev/null && return 0
	cat "$log" >&2
	die "$what failed, as shown above; nothing was changed."
}

# A new environment is made beside the one in use and takes its place in one step when it is
# proven. Its scripts are written for their final place; everything else in it may be moved.
# shellcheck disable=SC2016  # Python's text, not the shell's
settle='
import os, sys
new, final, old = map(os.fsencode, sys.argv[1:])
scripts = [entry.path for entry in os.scandir(os.path.join(new, b"bin"))]
for path in [*scripts, os.path.join(new, b"pyvenv.cfg")]:
    if os.path.islink(path) or not os.path.isfile(path):
        continue
    with open(path, "rb") as file:
        text = file.read()
    if new in text:
        with open(path, "wb") as file:
            file.write(text.replace(new, final))
if os.path.lexists(final):
    os.rename(final, old)
try:
    os.rename(new, final)
except OSError:
    if os.path.lexists(old):
        os.rename(old, final)
    raise
'

pip_install() {
	"$new/bin/python" -I -m pip install --quiet --no-user --no-cache-dir \
		--disable-pip-version-check "$@"
}
locked() { pip_install --require-hashes --no-deps "$@"; }

build() {
	find_python
	say "installing with Python $version ($python)"
	make_folder "$data"
	sweep
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# pip asks rustc for its version, and rustup answers by making a folder in HOME.
	[ -e "$HOME/.rustup" ] || export RUSTUP_HOME="${RUSTUP_HOME:-$rustup}"
	step "making a virtual environment" "$python" -I -m venv --prompt agentlock "$new"
	# Only files whose SHA-256 is written in the locks; what builds the program stays out of it.
	(
		cd -- "$checkout"
		step "pip" locked --compile --requirement requirements.lock
		step "pip" locked --target "$builders" --requirement build.lock
		export PYTHONPATH="$builders"
		step "pip" pip_install --compile --no-index --no-deps --no-build-isolation .
	)
	step "the new program" "$new/bin/python" -I -m agentlock --version
	step "putting the new environment in place" \
		"$python" -I -c "$settle" "$new" "$venv" "$data/venv.old.$$"
	rm -rf -- "$data/venv.old.$$" "$builders" "$log" "$rustup"
}

install() {
	for name in agentlock git-agentlock; do
		link_is_ours "$name" || if [ -e "$bin/$name" ] || [ -L "$bin/$name" ]; then
			die "$bin/$name is not ours and stays as it is; move it away, then run this again."
		fi
	done
	build
	make_folder "$bin"
	for name in agentlock git-agentlock; do
		link_is_ours "$name" || ln -s "$venv/bin/$name" "$bin/$name"
	done
	printf '%s' "$made_now" >>"$made"
	release=$("$venv/bin/agentlock" --version)
	say "version ${release##* } is installed: $bin/agentlock"
	advise_path
}

advise_path() {
	case ":${PATH-}:" in
	*":$bin:"* | *":$bin/:"*)
		first=$(command -v agentlock || :)
		[ "$first" = "$bin/agentlock" ] || [ "$first" = "$bin//agentlock" ] ||
			say "but '$first' comes before it on your PATH."
		;;
	*)
		say "$bin is not on your PATH; add this line to your shell's start-up file:"
		# shellcheck disable=SC2016  # for the user's shell to expand
		printf '\n    export PATH="$HOME/.local/bin:$PATH"\n\n'
		;;
	esac
}

# ---------------------------------------------------------------- uninstalling

uninstall() {
	found=''
	for name in agentlock git-agentlock; do
		if link_is_ours "$name"; then found=yes; fi
	done
	if [ -z "$found" ] && [ ! -d "$data" ]; then
		say "nothing to remove: it is not installed here."
		return 0
	fi
	if ! runs && grep -q '"' "$data/repositories" 2>/dev/null; then
		say "the program is damaged; mending it first, because only it can take out the hooks"
		build
	fi
	if runs; then
		"$venv/bin/agentlock" hooks uninstall --everywhere ||
			die "some hooks could not be taken out, as shown above; the program stays, because without it they refuse every commit."
	fi
	for name in agentlock git-agentlock; do
		if link_is_ours "$name"; then rm -- "$bin/$name"; fi
	done
	# Where the record is lost, the usual folders may be ours as well as anybody's: only if empty.
	folders=$(LC_ALL=C sort -ru -- "$made" 2>/dev/null) || folders="$bin
$(dirname -- "$data")
$HOME/.local"
	sweep
	rm -rf -- "$venv"
	rm -f -- "$made" "$data/repositories" "$data/repositories.lock" "$data"/repositories.new-*
	if [ -d "$data" ] && ! rmdir -- "$data" 2>/dev/null; then
		say "kept $data: it holds files that the installation did not put there."
	fi
	remove_folders "$folders"
	say "removed."
}

runs() { "$venv/bin/python" -I -m agentlock --version >/dev/null 2>&1 </dev/null; }

# ---------------------------------------------------------------- the command line

# These would send Python or pip elsewhere than into our own environment, or git elsewhere than
# into the folder it is run in.
unset CDPATH PYTHONHOME PYTHONPATH PYTHONPYCACHEPREFIX PYTHONDONTWRITEBYTECODE __PYVENV_LAUNCHER__
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON PIP_REQUIRE_VIRTUALENV PIP_NO_DEPS PIP_LOG
unset PIP_CONSTRAINT PIP_DRY_RUN PIP_REPORT PIP_NO_COMPILE PIP_NO_BUILD_ISOLATION PIP_REQUIRE_HASHES PIP_REQUIREMENT
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX
# The build environment's own pip does not see our command line.
export PIP_NO_CACHE_DIR=1

action=install demo='' options=''
given=$#
while [ "$given" -gt 0 ]; do
	option=$1
	shift
	given=$((given - 1))
	case $option in
	--help | -h)
		usage
		exit 0
		;;
	--demo) demo=yes options=yes ;;
	--repo)
		[ "$given" -gt 0 ] || misuse "--repo needs a directory."
		set -- "$@" "$1" # what follows the options becomes the list of repositories
		shift
		given=$((given - 1))
		options=yes
		;;
	--repo=*)
		set -- "$@" "${option#--repo=}"
		options=yes
		;;
	--uninstall) action=uninstall ;;
	--print-python) action=print_python ;;
	--print-pythons) action=print_pythons ;;
	*) misuse "unknown option '$option'." ;;
	esac
done
[ "$action" = install ] || [ -z "$options" ] || misuse "--demo and --repo are for installing."

case $action in
print_python)
	find_python
	printf '%s\n' "$python"
	exit 0
	;;
print_pythons)
	print_pythons
	exit 0
	;;
esac

find_checkout
find_folders
if [ "$action" = uninstall ]; then
	uninstall
	exit 0
fi

command -v git >/dev/null 2>&1 || die "git is needed, and none was found on PATH."
for repository; do
	[ -d "$repository" ] || misuse "--repo $repository: there is no such directory."
	(cd -- "$repository" && git rev-parse --is-inside-work-tree) >/dev/null 2>&1 ||
		misuse "--repo $repository: this is not a git repository."
done
install
failed=''
if [ -n "$demo" ]; then
	"$venv/bin/agentlock" demo || failed=yes
fi
for repository; do
	(cd -- "$repository" && exec "$venv/bin/agentlock" init) || failed=yes
done
[ -z "$failed" ]
