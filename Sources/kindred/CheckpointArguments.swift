import ArgumentParser
import ClassAveraging
import MPI
import ParticleIO
import Report

/// Options of a run that may end before its work is done.
struct CheckpointArguments: ParsableArguments {
  @Flag(
    help: """
      Go on from the checkpoints in the output folder, on any number of ranks and threads; from the \
      beginning where none fits.
      """)
  var resume = false

  @Option(
    help: "Minutes of a pass over all pairs that a crash may cost; 0 saves each block of work.")
  var checkpointMinutes = 5.0

  @Option(
    help:
      "Hours after which the run ends by itself, with checkpoints and exit status 75; default: none."
  )
  var maxHours: Double?

  /// - Throws: `OptionError` for numbers out of range; `InputError` where the output folder holds an unfinished
  ///   run that would be lost.
  func validate(output: String, overwrite: Bool) throws {
    // Written so that NaN fails as well.
    if !(checkpointMinutes >= 0 && checkpointMinutes.isFinite) {
      throw OptionError(
        "--checkpoint-minutes is \(checkpointMinutes); a number from 0 is needed")
    }
    if let maxHours, !(maxHours >= 0) {
      throw OptionError("--max-hours is \(maxHours); a number from 0 is needed")
    }
    if !resume && !overwrite && Checkpoints.exist(in: output) {
      throw InputError(
        file: output,
        "holds the checkpoints of an unfinished run; --resume goes on from them, --overwrite "
          + "removes them")
    }
  }

  /// What the run leaves and goes on from; tells the user about it on standard error. Collective.
  func checkpoints(
    output: String, of set: ParticleSet, options: AverageOptions, stop: StopRequest,
    on comm: Communicator
  ) throws -> Checkpoints {
    try Checkpoints(
      output: output, of: set, options: options, isResuming: resume,
      interval: checkpointMinutes * 60, stop: stop, on: comm
    ) { writeToStandardError("kindred: \($0)\n") }
  }

  /// For the run record.
  var record: [String: JSONValue] {
    [
      "resume": .bool(resume), "checkpoint_minutes": .number(checkpointMinutes),
      "max_hours": JSONValue(maxHours),
    ]
  }
}
