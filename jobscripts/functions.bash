# shellcheck shell=bash
# What the job scripts share. Every script documents the variables it reads.

set -uo pipefail

say() { printf '== %s  %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }
stop() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Ends the script where one of the named variables is not set.
require() {
  local name
  for name in "$@"; do
    [ -n "${!name:-}" ] || stop "$name is not set: see the head of the script"
  done
}

# Sets `kindred`: the program that KINDRED names, or that of the folder the job was submitted from, or that
# of PATH (a module).
find_kindred() {
  kindred=${KINDRED:-}
  if [ -z "$kindred" ]; then
    kindred=${SLURM_SUBMIT_DIR:-$PWD}/.build/release/kindred
    [ -x "$kindred" ] || kindred=kindred
  fi
  command -v "$kindred" >/dev/null ||
    stop "no program $kindred: set KINDRED to its path, load its module, or submit from the project's folder"
}

# Sets `ranks` and `threads` from what SLURM has given: one rank for each task, one thread for each processor
# of a task; where no number of tasks was asked for, one rank for each processor.
choose_ranks() {
  threads=${SLURM_CPUS_PER_TASK:-1}
  ranks=${SLURM_NTASKS:-}
  if [ -z "$ranks" ]; then
    local part
    ranks=0
    # shellcheck disable=SC2017  # a node's odd processors stay idle
    # For example 16(x3),8: three nodes of 16 processors and one of 8.
    for part in ${SLURM_JOB_CPUS_PER_NODE//,/ }; do
      if [[ $part =~ ^([0-9]+)\(x([0-9]+)\)$ ]]; then
        ranks=$((ranks + BASH_REMATCH[1] / threads * BASH_REMATCH[2]))
      else
        ranks=$((ranks + part / threads))
      fi
    done
  fi
}

# Sets `launcher`, the words before the program. Options of the user's own come in LAUNCHER_OPTIONS.
choose_launcher() {
  local options
  read -ra options <<<"${LAUNCHER_OPTIONS:-}"
  case ${LAUNCHER:-mpirun} in
    mpirun)
      launcher=(mpirun -n "$ranks")
      # Open MPI would bind a rank to one core, which all its threads would have to share.
      [ "$threads" = 1 ] || launcher+=(--bind-to none)
      ;;
    srun)
      launcher=(srun --mpi=pmix --ntasks="$ranks" --cpus-per-task="$threads" --kill-on-bad-exit=1)
      ;;
    *) stop "LAUNCHER is '$LAUNCHER'; mpirun or srun expected" ;;
  esac
  launcher+=("${options[@]}")
}

prepare() {
  find_kindred
  choose_ranks
  choose_launcher
  # MPI shares the work: a BLAS with threads of its own would only get in the ranks' way.
  export OPENBLAS_NUM_THREADS=1
  say "job ${SLURM_JOB_ID:-}, start $((${SLURM_RESTART_COUNT:-0} + 1)), on ${SLURM_JOB_NODELIST:-}:" \
    "$ranks ranks of $threads threads"
}

# SLURM sends the batch shell USR1 some time before the job's limit (--signal in the scripts): it is handed
# to the launcher, which hands it to the ranks; kindred then leaves a checkpoint and ends with status 75.
asked_to_stop='' launched=''
pass_on_stop() {
  say "asked to stop"
  asked_to_stop=1
  [ -z "$launched" ] || kill -USR1 "$launched" 2>/dev/null
}
trap pass_on_stop USR1

# Runs a program on all ranks and returns its exit status. In the background, since a shell answers to a
# signal only between its own commands and in `wait`.
run_ranks() {
  local status
  "${launcher[@]}" "$@" &
  launched=$!
  while :; do
    wait "$launched"
    status=$?
    # A signal ends `wait` too.
    kill -0 "$launched" 2>/dev/null || break
  done
  launched=''
  return "$status"
}

# Does every node of the job start a process?
nodes_answer() {
  SLURM_OVERLAP=1 timeout 60 srun --nodes="$SLURM_JOB_NUM_NODES" \
    --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --mpi=none true
}

is_restart() { [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; }

# Puts this job into the queue again, under its own number, and ends the script; at most MAX_RESTARTS times.
requeue() {
  local most=${MAX_RESTARTS:-10} restarts=${SLURM_RESTART_COUNT:-0}
  if [ "$restarts" -ge "$most" ]; then
    say "$1; restarted $restarts times, as often as MAX_RESTARTS allows: submit the job again to continue"
  else
    say "$1: back into the queue, restart $((restarts + 1)) of at most $most"
    # SLURM ends the script soon after.
    if scontrol requeue "$SLURM_JOB_ID"; then sleep 60; fi
    say "the job cannot be put into the queue again: submit it again to continue"
  fi
  exit 75
}

# Runs a program on all ranks. Returns where it succeeded; puts the job into the queue again where it stopped on
# request, or a rank or a node was lost; ends the script where the program failed.
run_or_requeue() {
  local status=0
  # Without this a node that is down would look like a failure of the program.
  nodes_answer || requeue "not every node answers"
  [ -z "$asked_to_stop" ] || requeue "stopped on request"
  run_ranks "$@" || status=$?
  [ "$status" != 0 ] || return 0
  case $status in
    75) requeue "stopped on request" ;;
    # A rank was killed, or terminated; mpirun lost a node.
    137 | 143 | 205) requeue "a rank or a node was lost (status $status)" ;;
  esac
  # The signal came before the program could handle it, and was its end.
  if [ -n "$asked_to_stop" ] && [ "$status" -gt 128 ]; then requeue "stopped on request"; fi
  nodes_answer || requeue "a node was lost (status $status)"
  printf 'error: kindred failed with status %s\n' "$status" >&2
  exit "$status"
}

# Submits a step of this script as a job of its own, and prints the job's number. $1 is the step, which the
# script finds in KINDRED_STEP; sbatch's options follow. Account, partition, quality of service and reservation are
# those of this job; JOB_OPTIONS may add others.
submit_step() (
  options=(--parsable --export=ALL --kill-on-invalid-dep=yes)
  [ -z "${SLURM_JOB_ACCOUNT:-}" ] || options+=(--account="$SLURM_JOB_ACCOUNT")
  [ -z "${SLURM_JOB_PARTITION:-}" ] || options+=(--partition="$SLURM_JOB_PARTITION")
  [ -z "${SLURM_JOB_QOS:-}" ] || options+=(--qos="$SLURM_JOB_QOS")
  [ -z "${SLURM_JOB_RESERVATION:-}" ] || options+=(--reservation="$SLURM_JOB_RESERVATION")
  read -ra more <<<"${JOB_OPTIONS:-}"
  # What SLURM tells this job about itself is not for the next.
  for name in "${!SLURM_@}"; do
    case $name in SLURM_CONF | SLURM_CLUSTERS) ;; *) unset "$name" ;; esac
  done
  # shellcheck disable=SC2154  # the path of the script that sources this file
  job=$(KINDRED_STEP=$1 sbatch "${options[@]}" "${more[@]}" "${@:2}" "$script") || exit 1
  printf '%s\n' "${job%%;*}"
)

# Simulates a set of $2 images in the folder $1, unless it is there, with further options behind. The table of
# the particles is the last of its files.
simulate() {
  if [ -e "$1/particles.star" ]; then
    say "there already: $1"
  else
    run_or_requeue "$kindred" simulate --output "$1" --images "${@:2}" --overwrite
  fi
}
