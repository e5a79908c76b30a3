#!/usr/bin/env bash
# Unfold's one command; without arguments it lists what it can do.
#
# The first call creates .venv next to this file. Later calls leave it alone until setup.cfg, its
# Python or the requested extras change: the stamp in .venv records all three. A stamp that reads
# "incomplete" was left by an interrupted installation, which the next call starts over.
set -euo pipefail
unset PYTHONHOME

own_folder() {  # the folder of this file, with symbolic links resolved (macOS has no readlink -f)
  local file=$1 target
  while [ -L "$file" ]; do
    target=$(readlink "$file")
    case $target in /*) file=$target ;; *) file=$(dirname "$file")/$target ;; esac
  done
  CDPATH='' cd -- "$(dirname "$file")" && pwd -P
}

root=$(own_folder "${BASH_SOURCE[0]}")
venv=$root/.venv
stamp=$venv/unfold-stamp
log=$venv/unfold-install.log

say() { printf '%s\n' "$*" >&2; }
fail() { local status=$1; shift; say "launch.sh: $*"; exit "$status"; }
exists() { [ -e "$1" ]; }  # whether anything matches a pattern
contains() { case " $1 " in *" $2 "*) return 0 ;; *) return 1 ;; esac; }

# ---- Python and the machine

suits() {  # new enough, and able to create a virtual environment (on Debian a separate package)
  "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {  # the versions that the tests run on come first
  local name
  for name in python3.12 python3.11 python3.14 python3.13 python3; do
    if suits "$name"; then printf '%s\n' "$name"; return; fi
  done
  fail 2 "Unfold needs Python 3.11 or newer with its venv module; none was found on PATH."
}

accelerator() {  # the extra for this machine's accelerator; nothing if it has none
  local cuda
  cuda=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA[A-Za-z ]*Version: *\([0-9][0-9]*\).*/\1/p') || cuda=
  cuda=${cuda%%$'\n'*}
  if [ "${cuda:-0}" -ge 13 ]; then echo cuda13
  elif [ "${cuda:-0}" -eq 12 ]; then echo cuda12
  elif { exists /dev/accel[0-9]* || exists /dev/vfio/[0-9]*; } \
      && { env | grep -q '^TPU_' || grep -qis 0x1ae0 /sys/bus/pci/devices/*/vendor; }; then echo tpu
  fi
}

# ---- The installation

stamped() { sed -n "$1p" "$stamp" 2>/dev/null || true; }  # line 1: fingerprint, line 2: extras

fingerprint() {
  cat "$root/setup.cfg" "$root/pyproject.toml" | cksum | tr -s '[:space:]' ' '
  "$venv/bin/python" -I -S -c 'import sys; print("Python %d.%d" % sys.version_info[:2])'
}

wanted() {  # wanted EXTRAS: these, those of UNFOLD_EXTRAS, those of the machine, and the experiments'
  local extras extra have
  extras="experiments $* $(printf '%s' "${UNFOLD_EXTRAS:-}" | tr ',' ' ')"
  for extra in $extras; do
    contains "experiments cuda12 cuda13 tpu test oracle" "$extra" \
      || fail 2 "UNFOLD_EXTRAS names $extra, which is not one of cuda12, cuda13, tpu, test, oracle."
  done
  have=$(stamped 2)
  case "$extras $have" in
    *cuda*|*tpu*) ;;  # known already; nvidia-smi may take a second
    *) extras="$extras $(accelerator)" ;;
  esac
  printf '%s\n' "$extras"
}

complete() {  # complete EXTRAS: is .venv installed from this setup.cfg, with these extras?
  local extra have
  [ -f "$stamp" ] && [ -x "$venv/bin/python" ] || return 1
  [ "$(stamped 1)" = "$(fingerprint | tr '\n' ' ')" ] || return 1
  have=$(stamped 2)
  for extra in $1; do contains "$have" "$extra" || return 1; done
}

lock() {  # one installation at a time
  [ -w "$root" ] || fail 1 "cannot write to $root, where .venv is to be created."
  if command -v flock >/dev/null 2>&1; then
    # pip inherits the descriptor, so that a pip that outlives a killed launch.sh holds the lock
    exec 9>"$root/.venv.lock"
    flock -n 9 || { say "Waiting for another launch.sh to finish setting up .venv ..."; flock 9; }
  else  # a link to its owner's process id: created atomically, and stale once the owner is gone
    local waiting=
    until ln -s "$$" "$root/.venv.lock" 2>/dev/null; do
      kill -0 "$(readlink "$root/.venv.lock")" 2>/dev/null || { rm -f "$root/.venv.lock"; continue; }
      [ -n "$waiting" ] || say "Waiting for another launch.sh to finish setting up .venv ..."
      waiting=yes
      sleep 1
    done
    trap 'rm -f "$root/.venv.lock"' EXIT
  fi
}

unlock() {
  if command -v flock >/dev/null 2>&1; then exec 9>&-; else rm -f "$root/.venv.lock"; trap - EXIT; fi
}

remove() {  # renamed first, since a half-deleted .venv would look like the user's own
  rm -rf "$venv.old" && mv "$venv" "$venv.old" && rm -rf "$venv.old"
}

quietly() {  # in the background, since bash handles signals at once only while it waits
  local child status=0
  (cd "$root" && PYTHONPATH='' exec "$@") >"$log" 2>&1 </dev/null &
  child=$!
  trap 'kill "$child" 2>/dev/null; exit 130' INT
  trap 'kill "$child" 2>/dev/null; exit 143' TERM HUP
  wait "$child" || status=$?
  trap - INT TERM HUP
  return "$status"
}

install() {  # install EXTRAS into .venv, created if necessary
  local extras=$1 python before
  if [ "$(stamped 1)" = incomplete ]; then remove
  elif [ -f "$stamp" ]; then suits "$venv/bin/python" || remove
  elif [ -d "$venv" ]; then  # not created by launch.sh: use it, but never delete it
    if ! suits "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
      fail 2 "$venv was not created by launch.sh and lacks Python 3.11 or newer with pip; move it away."
    fi
  fi
  python=$(find_python)
  before=$(cat "$stamp" 2>/dev/null || true)
  # keep what is installed, so that running an experiment and the tests in turn reinstalls nothing
  extras=$(printf '%s\n' "$extras $(stamped 2)" | tr ' ' '\n' | sort -u | xargs)
  if [ -n "$before" ]; then say "Bringing .venv up to date ..."
  else say "Setting up .venv (first time only; a few minutes) ..."; fi
  mkdir -p "$venv"
  echo incomplete >"$stamp"
  if ! { [ -x "$venv/bin/python" ] || quietly "$python" -m venv "$venv"; } \
      || ! quietly "$venv/bin/python" -m pip install --quiet --no-input \
        --disable-pip-version-check --editable ".[${extras// /,}]"; then
    cat "$log" >&2
    # pip downloads everything before it changes anything: a complete .venv still is
    [ -z "$before" ] || printf '%s\n' "$before" >"$stamp"
    fail 1 "the installation failed; see the lines above."
  fi
  printf '%s\n%s\n' "$(fingerprint | tr '\n' ' ')" "$extras" >"$stamp.new"
  mv "$stamp.new" "$stamp"
}

set_up() {  # set_up EXTRAS: installs whatever is missing
  local extras
  extras=$(wanted "$@")
  complete "$extras" && return
  lock
  complete "$extras" || install "$extras"
  unlock
}

# ---- The commands

settings() {  # environment variables, one per line
  local setting
  printf '%s\n' "PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}"
  # By default glibc returns XLA's buffers to the kernel after each step and faults them in again
  # in the next, which takes up to a third of a large step.
  getconf GNU_LIBC_VERSION >/dev/null 2>&1 || return 0
  for setting in MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647 \
      MALLOC_TOP_PAD_=67108864 MALLOC_ARENA_MAX=1; do
    printenv "${setting%%=*}" >/dev/null || printf '%s\n' "$setting"
  done
}

python() {  # run .venv's Python in place of this shell, or print the command with -n
  local line words=()
  while IFS= read -r line; do words+=("$line"); done < <(settings)
  # -P: do not import data or nets from the user's current folder
  set -- env "${words[@]}" "$venv/bin/python" -P "$@"
  [ -n "$dry" ] || exec "$@"
  printf '%q' "$1"; shift
  printf ' %q' "$@"
  printf '\n'
}

without_venv() {  # a module that needs only the standard library, and so no .venv
  local python=$venv/bin/python
  suits "$python" || python=$(find_python)
  PYTHONPATH=$root "$python" -P -m "$@"
}

experiments() { without_venv experiments "$@"; }

dry=
if [ "${1-}" = -n ]; then
  dry=yes
  shift
  [ $# -gt 0 ] || fail 2 "-n must be followed by an experiment or a command."
fi
name=${1-}
[ $# -eq 0 ] || shift
case $name in
  ''|-h|--help|--helpshort|--helpfull|help) experiments ;;
  --version) experiments --version ;;
  -*) fail 2 "$name is not an option of launch.sh (-n, --help, --version); flags follow the experiment." ;;
  setup)
    case ${1-} in -*) experiments "$1"; exit ;; esac
    [ -n "$dry" ] || set_up "" ;;
  test)
    if [ -n "$dry" ]; then printf 'cd %q && ' "$root"; else set_up test; cd "$root"; fi
    python -m pytest "$@" ;;
  multi)
    case ${2-} in ''|-*) ;; *) experiments "$2" ;; esac
    [ -n "$dry" ] || set_up ""
    python -m experiments.launch.multi "$@" ;;
  doctor) without_venv experiments.launch.doctor "$@" ;;  # checks the installation as it is
  slurm|tpu|sweep)
    if [ -n "$dry" ]; then set -- -n "$@"; dry=; fi  # these take -n themselves
    set_up ""
    python -m "experiments.launch.$name" "$@" ;;
  speed|export|faults|results)  # the command's word is the package's name
    [ -n "$dry" ] || set_up ""
    python -m "experiments.$name" "$@" ;;
  *)
    experiments "$name"
    [ -n "$dry" ] || set_up ""
    python -m "experiments.$name" "$@" ;;
esac
