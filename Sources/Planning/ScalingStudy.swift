import Foundation
import ParticleIO
import Report

/// Runs of `average` on several numbers of ranks, compared.
public struct ScalingStudy: Sendable {
  /// What grows with the ranks.
  public enum Kind: String, Codable, Sendable {
    /// Nothing: the same images on every number of ranks.
    case strong
    /// The images, so that the cores have equal work.
    case weak
  }

  /// One run.
  public struct Run: Sendable {
    /// The folder's name.
    public let folder: String
    /// What the run left in `run.json`.
    public let record: RunRecord

    /// The number of ranks.
    public var ranks: Int { record.ranks }
    /// Ranks times threads.
    public var cores: Int { record.ranks * record.threads }
    /// Images that took part.
    public var images: Int { record.imagesUsed ?? 0 }

    /// Wall time of the run; that of its stages where the record has no other.
    public var seconds: Double {
      record.seconds ?? record.stages.reduce(0) { $0 + $1.meanSeconds }
    }

    /// The part of the ranks' time in stages that they communicate or wait, 0 to 1.
    public var communicationShare: Double {
      let total = record.stages.reduce(0) { $0 + $1.meanSeconds }
      return total > 0
        ? record.stages.reduce(0) { $0 + $1.meanSeconds * $1.communicationShare } / total : 0
    }

    /// Processor time of the work of all ranks, in seconds.
    public var processorSeconds: Double { record.stages.reduce(0) { $0 + $1.processorSeconds } }

    /// Processor time by which rank 0 works longer than the mean of the others, in seconds: what the
    /// others wait for. 0 on one rank.
    public var rootSeconds: Double {
      record.stages.reduce(0) { sum, stage in
        let others = stage.rankProcessorSeconds.dropFirst()
        guard let root = stage.rankProcessorSeconds.first, !others.isEmpty else { return sum }
        return sum + max(0, root - others.reduce(0, +) / Double(others.count))
      }
    }
  }

  /// Runs on as many ranks of as many threads.
  public struct Repeats: Sendable {
    /// At least one, the fastest first.
    public let runs: [Run]

    init(_ runs: [Run]) { self.runs = runs.sorted { $0.seconds < $1.seconds } }

    /// The one in the middle by its time, of two the faster.
    public var median: Run { runs[(runs.count - 1) / 2] }
    /// The shortest and the longest time, in seconds.
    public var spread: ClosedRange<Double> { runs[0].seconds...runs[runs.count - 1].seconds }
  }

  /// What stays the same from run to run.
  public let kind: Kind
  /// By cores, the fewest first; of several ways to share the same cores among ranks and threads the one with the
  /// shortest median time.
  public let repeats: [Repeats]

  /// The median run on each number of cores.
  public var runs: [Run] { repeats.map(\.median) }

  /// The run with the fewest cores, which the others are compared with.
  public var base: Run { repeats[0].median }

  /// How many times more work is done in a second than in the base run, times the base's cores: ideally the
  /// number of cores. Strong: T_base / T; weak: that for the cores' equal shares.
  public func speedUp(_ run: Run) -> Double { efficiency(run) * Double(run.cores) }

  /// What a core does in a second, over what one of the base run does: 1 is ideal.
  public func efficiency(_ run: Run) -> Double {
    let ratio = base.seconds / run.seconds
    return switch kind {
    case .strong: ratio * Double(base.cores) / Double(run.cores)
    case .weak: ratio
    }
  }

  /// Collects the runs in the folders of `folder`; those without a `run.json` are passed over.
  /// - Throws: `InputError` where there is none, or where they are no experiment: options that differ, or
  ///   several numbers of images on the same cores.
  public init(collecting folder: String) throws {
    let manager = FileManager.default
    guard let names = try? manager.contentsOfDirectory(atPath: folder) else {
      throw InputError(file: folder, "no such folder")
    }
    var runs: [Run] = []
    for name in names.sorted() {
      let path = "\(folder)/\(name)/run.json"
      guard manager.fileExists(atPath: path) else { continue }
      runs.append(Run(folder: name, record: try RunRecord.read(from: path)))
    }
    try self.init(runs, folder: folder)
  }

  /// - Parameter folder: named in errors.
  init(_ all: [Run], folder: String) throws {
    guard let first = all.first else {
      throw InputError(
        file: folder, "no run in it: a folder with run.json for each number of ranks is expected")
    }
    for run in all {
      if run.images == 0 || !(run.seconds > 0) {
        throw InputError(
          file: "\(folder)/\(run.folder)/run.json", "not the record of a whole run of `average`")
      }
      if let difference = Self.difference(first.record, run.record) {
        throw InputError(
          file: "\(folder)/\(run.folder)/run.json",
          "\(difference), unlike \(first.folder): runs of one experiment differ in ranks and images only"
        )
      }
    }
    kind = all.allSatisfy { $0.images == first.images } ? .strong : .weak
    let ofCores = Dictionary(grouping: all, by: \.cores).sorted { $0.key < $1.key }.map(\.value)
    repeats = try ofCores.map { runs in
      let other = runs[0]
      if let run = runs.first(where: { $0.images != other.images }) {
        throw InputError(
          file: "\(folder)/\(run.folder)/run.json",
          "\(run.images) images on \(run.cores) cores, but \(other.images) in \(other.folder): "
            + "collect one experiment at a time")
      }
      return Dictionary(grouping: runs, by: \.ranks).sorted { $0.key < $1.key }
        .map { Repeats($0.value) }
        .min { $0.median.seconds < $1.median.seconds }!
    }
  }

  /// Options that say how or where a run is made, not what it computes.
  private static let free: Set = [
    "output", "particles", "threads", "overwrite", "resume", "checkpoint_minutes", "max_hours",
    "watchdog_minutes",
  ]

  /// The first option that both records have and that differs.
  private static func difference(_ first: RunRecord, _ second: RunRecord) -> String? {
    for name in first.options.keys.sorted() where !free.contains(name) {
      guard let one = first.options[name], let other = second.options[name], one != other else {
        continue
      }
      return "--\(name.replacing("_", with: "-")) differs"
    }
    return nil
  }
}
