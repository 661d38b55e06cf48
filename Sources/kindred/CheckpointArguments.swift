import ArgumentParser
import ClassAveraging
import Foundation
import MPI
import ParticleIO
import Report
import Resume

/// Options of a run that may end before its work is done.
struct CheckpointArguments: RecordedArguments {
  @Flag(
    help: """
      Go on from the checkpoints in the output folder, on any number of ranks and threads; from the \
      beginning where none fits. A run that is complete is left as it is.
      """)
  var resume = false

  @Option(
    help: """
      Minutes of a search by all pairs or landmarks that a crash may cost; 0 saves each block of work.
      """)
  var checkpointMinutes = 5.0

  @Option(
    help:
      "Hours after which the run ends by itself, with checkpoints and exit status 75; default: none."
  )
  var maxHours: Double?

  /// - Throws: `CommandError` for numbers out of range.
  func validateNumbers() throws {
    // Written so that NaN fails as well.
    if !(checkpointMinutes >= 0 && checkpointMinutes.isFinite) {
      throw CommandError(
        "--checkpoint-minutes is \(checkpointMinutes); a number from 0 is needed")
    }
    if let maxHours, !(maxHours >= 0) {
      throw CommandError("--max-hours is \(maxHours); a number from 0 is needed")
    }
  }

  /// - Throws: `InputError` where the output folder holds an unfinished run that would be lost.
  func validate(output: String, overwrite: Bool) throws {
    if !resume && !overwrite && Checkpoints.exist(in: output) {
      throw InputError(
        file: output,
        "holds the checkpoints of an unfinished run; --resume goes on from them, --overwrite "
          + "removes them")
    }
  }

  /// Whether the run that is to go on has ended before: its record is there, and no checkpoints. The same on
  /// all ranks. Collective.
  func isDone(output: String, overwrite: Bool, on comm: Communicator) throws -> Bool {
    let isWhole =
      resume && !overwrite && !Checkpoints.exist(in: output)
      && FileManager.default.fileExists(atPath: "\(output)/run.json")
    return try comm.broadcast([isWhole ? 1 : 0])[0] == 1
  }

  /// Says that the run in the folder is complete. Collective.
  /// - Throws: `ReportedError` where it was made of other particles or with other options.
  func tellDone(
    output: String, of set: ParticleSet, options: AverageOptions, on comm: Communicator
  ) throws {
    try comm.agree {
      guard comm.isRoot else { return }
      func refused(_ why: String) -> InputError {
        InputError(file: output, "holds a complete run \(why); give another folder or --overwrite")
      }
      guard let identity = try RunRecord.read(from: "\(output)/run.json").identity else {
        throw refused("whose run.json does not tell what it was made of")
      }
      let expected = options.identity(of: try set.digest(), images: set.particles.count)
      if let difference = identity.difference(from: expected) {
        throw refused("that is another one: \(difference)")
      }
      writeToStandardError("kindred: the run in \(output) is complete: nothing is left to do\n")
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
}
