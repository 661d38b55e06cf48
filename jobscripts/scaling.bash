# shellcheck shell=bash disable=SC2154
# What the two scaling scripts share. They set `output`, `particles` (empty where sets are simulated), and
# `images_for`, which prints the number of images for a number of ranks.

set_folder() { printf '%s/sets/images-%s' "$output" "$(images_for "$1")"; }

# A set is simulated by a job of its own before the runs, once where several runs share it.
submit_runs() {
  is_restart && stop "this job has been restarted, and may have submitted the others: submit it again"
  local counts count job set runs='' after name=${SLURM_JOB_NAME:-$(basename "$script" .sbatch)}
  local -A simulated=()
  read -ra counts <<<"${RANKS:-1 2 4 8 16}"
  for count in "${counts[@]}"; do
    [[ $count =~ ^[1-9][0-9]*$ ]] || stop "RANKS has '$count'; numbers of ranks expected"
    after=()
    if [ -z "$particles" ]; then
      set=$(set_folder "$count")
      if [ -z "${simulated[$set]:-}" ]; then
        simulated[$set]=$(submit_step simulate --ntasks="$count" --job-name="$name-simulate-$count") ||
          stop "no job could be submitted"
      fi
      after=(--dependency="afterok:${simulated[$set]}")
    fi
    job=$(submit_step run --ntasks="$count" --job-name="$name-$count" "${after[@]}") ||
      stop "no job could be submitted"
    runs+=:$job
  done
  # After any end: what is there is collected.
  job=$(submit_step collect --ntasks=1 --job-name="$name-collect" --dependency="afterany$runs") ||
    stop "the last job could not be submitted"
  say "jobs: runs ${runs//:/ }, collect $job"
}

simulate_set() {
  local options
  read -ra options <<<"${SIMULATE_OPTIONS:-}"
  prepare
  simulate "$(set_folder "$SLURM_NTASKS")" "$(images_for "$SLURM_NTASKS")" "${options[@]}"
}

# Not --resume but --overwrite: a run in parts has no time of its own, so that it starts from the beginning. All
# runs search alike, whatever their size; of an option that is given twice, the last one counts.
time_run() {
  local options run
  prepare
  read -ra options <<<"${KINDRED_OPTIONS:-}"
  run=$(printf '%s/ranks-%04d' "$output" "$ranks")
  if [ -e "$run/run.json" ]; then
    say "complete already: $run"
  else
    run_or_requeue "$kindred" average "${particles:-$(set_folder "$ranks")/particles.star}" \
      --output "$run" --threads "$threads" --overwrite --search all-pairs "${options[@]}"
  fi
}

collect() {
  prepare
  run_or_requeue "$kindred" scale --collect "$output"
  say "done: $output/scaling.csv, $output/scaling.svg"
}

run_step() {
  case ${KINDRED_STEP:-} in
    '') submit_runs ;;
    simulate) simulate_set ;;
    run) time_run ;;
    collect) collect ;;
    *) stop "KINDRED_STEP is '$KINDRED_STEP'; nothing, simulate, run or collect expected" ;;
  esac
}
