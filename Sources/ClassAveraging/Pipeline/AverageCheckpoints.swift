import MPI
import ParticleIO
import Resume

/// The checkpoints of a run of `average`:
///
/// | file | what | written by |
/// |---|---|---|
/// | `model` | mean, covariance and posterior | rank 0, after the model |
/// | `statistics-A-B` | b of the images from A up to B | every rank, before `model` |
/// | `landmarks-N` | the reference classes, refined N times | rank 0 |
/// | `landmarks-N-rank-R-S` | a part of the images' lists of these reference classes | rank R, now and then (`SavedLists`) |
/// | `pass-N-rank-R-S` | a part of pass N's lists | rank R, now and then (`SearchCheckpoint`, `SavedLists`) |
/// | `pass-N` | the neighbours after pass N | rank 0 |
/// | `shared-N` | the members of the reference classes that images share, after N rounds | rank 0 |
/// | `shared-N-rank-R-S` | a part of the images' lists of these reference classes | rank R, now and then (`SavedLists`) |
/// | `shared-neighbours-rank-R-S` | a part of the neighbours that share reference classes | rank R, now and then (`SavedLists`) |
/// | `shared-volume` | the volume matched to class averages | rank 0 |
/// | `shared-slices-rank-R-S` | a part of the images' lists of slices | rank R, now and then (`SavedLists`) |
/// | `shared-last-rank-R-S` | a part of the neighbours that share slices and reference classes | rank R, now and then (`SavedLists`) |
/// | `neighbours` | the neighbours in the end | rank 0 |
/// | `calibration-...` | the same of the search among simulated images | as above |
extension Checkpoints {
  private static var kinds: [String] {
    ["model", "statistics-", referencesName, passName, coAssignmentName, neighboursName]
  }

  private static var calibration: String { "calibration" }

  /// Looks at what there is; without `isResuming` removes it. Collective.
  /// - Parameters:
  ///   - output: the run's output folder.
  ///   - set: the particles of the run.
  ///   - options: what the run is to do.
  ///   - isResuming: whether it may go on from what is there.
  ///   - interval: at most so many seconds of a pass are lost by a crash; 0 saves each block.
  ///   - stop: whether the run has been asked to stop.
  ///   - comm: the ranks that take part.
  ///   - report: told on rank 0, a line at a time, what was found and is used, or why not.
  /// - Throws: `ReportedError` where the input cannot be examined.
  public convenience init(
    output: String, of set: ParticleSet, options: AverageOptions, isResuming: Bool,
    interval: Double, stop: StopRequest, on comm: Communicator,
    report: @escaping (String) -> Void
  ) throws {
    let meter = CheckpointMeter()
    let digest = try comm.agree { comm.isRoot ? try meter.timing { try set.digest() } : [:] }
    self.init(
      path: "\(output)/\(Self.folderName)",
      sources: Self.sources(input: try Self.broadcast(digest, on: comm), options),
      isResuming: isResuming, interval: interval, stop: stop, meter: meter, on: comm,
      report: report)
  }

  /// What a run's checkpoints are made of.
  static func sources(input: CheckpointIdentity, _ options: AverageOptions) -> CheckpointSources {
    let relevant = options.withoutIrrelevant
    return CheckpointSources(
      input: input, model: optionIdentity(relevant.model), search: optionIdentity(relevant),
      kinds: kinds, nested: [calibration])
  }

  /// The digest of the particles.
  public var input: CheckpointIdentity { sources.input }

  /// Whether a run in `output` was left unfinished.
  public static func exist(in output: String) -> Bool { exist(in: output, kinds: kinds) }

  /// Those of the search among simulated images.
  func ofCalibration() -> Checkpoints { nested(Self.calibration) }
}
