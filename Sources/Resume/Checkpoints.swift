import Foundation
import MPI
import ParticleIO

/// The checkpoints of a run, in the folder `checkpoints` of its output, from which another run can go on, on any
/// number of ranks and threads.
///
/// What they hold is not known here: each stage reads and writes its own. Each is checked against what it was made
/// of, its `CheckpointIdentity`: the input, the options, the model it belongs to. One that does not fit or is damaged
/// is reported and not used.
public final class Checkpoints {
  /// The name of the folder, in the run's output folder.
  public static let folderName = "checkpoints"

  /// The folder.
  package let path: String
  /// What all names begin with.
  private let stem: String
  package let comm: Communicator
  package let stop: StopRequest
  /// Seconds between two checkpoints of a pass.
  package let interval: Double
  package let isResuming: Bool
  private let report: (String) -> Void
  /// What the run's checkpoints are made of.
  package let sources: CheckpointSources
  /// Shared with nested ones.
  package let meter: CheckpointMeter
  /// The checksum of the model that the passes belong to.
  private var modelKey = ""

  /// Looks at what there is; without `isResuming` removes it.
  /// - Parameters:
  ///   - path: the folder.
  ///   - stem: what all names begin with.
  ///   - sources: what they are made of.
  ///   - isResuming: whether the run may go on from what is there.
  ///   - interval: at most so many seconds of a pass are lost by a crash; 0 saves each block.
  ///   - stop: whether the run has been asked to stop.
  ///   - comm: the ranks that take part.
  ///   - report: told on rank 0, a line at a time, what was found and is used, or why not.
  package init(
    path: String, stem: String = "", sources: CheckpointSources, isResuming: Bool,
    interval: Double, stop: StopRequest, meter: CheckpointMeter = CheckpointMeter(),
    on comm: Communicator, report: @escaping (String) -> Void
  ) {
    self.path = path
    self.stem = stem
    self.sources = sources
    self.isResuming = isResuming
    self.interval = interval
    self.stop = stop
    self.meter = meter
    self.comm = comm
    self.report = report
    if comm.isRoot {
      // What a crash has left half written.
      remove { !isResuming || $0.contains(".part-") }
      if isResuming && names.isEmpty && stem.isEmpty {
        report("no checkpoints in \(path): starting from the beginning")
      }
    }
  }

  /// Whether a run in `output` was left unfinished.
  /// - Parameter kinds: what names begin with.
  package static func exist(in output: String, kinds: [String]) -> Bool {
    let found = try? FileManager.default.contentsOfDirectory(atPath: "\(output)/\(folderName)")
    return found.map { $0.contains { name in kinds.contains { name.hasPrefix($0) } } } ?? false
  }

  /// Those of a part of the run that repeats its stages, among the same files, with names that begin with the
  /// part's. They belong to the same model.
  package func nested(_ part: String) -> Checkpoints {
    let nested = Checkpoints(
      path: path, stem: "\(part)-", sources: sources, isResuming: isResuming, interval: interval,
      stop: stop, meter: meter, on: comm
    ) { [report] in report("\(part): \($0)") }
    nested.modelKey = modelKey
    return nested
  }

  /// An identity that rank 0 knows, on every rank. Collective.
  package static func broadcast(_ identity: CheckpointIdentity, on comm: Communicator) throws
    -> CheckpointIdentity
  {
    let pairs = identity.flatMap { [$0.key, $0.value] }
    let all = try comm.broadcast(pairs.joined(separator: "\n")).split(
      separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
    return Dictionary(
      uniqueKeysWithValues: stride(from: 0, to: all.count - 1, by: 2).map { (all[$0], all[$0 + 1]) }
    )
  }

  // MARK: Files

  /// The checkpoints in the folder, as this rank sees it.
  package var names: [String] { names(stem: stem) }

  private func names(stem: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter {
      $0.hasPrefix(stem) && isName($0.dropFirst(stem.count))
    }.map { String($0.dropFirst(stem.count)) }.sorted()
  }

  /// The names in the folder that begin with `prefix`, as rank 0 sees it, on every rank. Collective.
  package func names(prefix: String) throws -> [String] {
    let mine = comm.isRoot ? names.filter { $0.hasPrefix(prefix) } : []
    return try comm.broadcast(mine.joined(separator: "\n")).split(separator: "\n").map(String.init)
  }

  private func isName(_ name: Substring) -> Bool { sources.kinds.contains { name.hasPrefix($0) } }

  /// N of `pass-N` and of `pass-N-rank-R-S`, where `prefix` is `pass-`.
  package static func number(of name: String, _ prefix: String) -> Int? {
    name.hasPrefix(prefix)
      ? name.dropFirst(prefix.count).split(separator: "-").first.flatMap { Int($0) } : nil
  }

  /// The numbers of the checkpoints that are not parts, the latest first; none where the run does not resume.
  /// Collective.
  package func wholes(_ prefix: String) throws -> [Int] {
    isResuming
      ? try names(prefix: prefix).filter { !$0.contains("rank") }
        .compactMap { Self.number(of: $0, prefix) }.sorted(by: >) : []
  }

  package func file(_ name: String) -> String { "\(path)/\(stem)\(name)" }

  /// Writes a checkpoint of what `content` adds. Throws `OutputError`.
  package func write(
    _ name: String, _ identity: CheckpointIdentity, _ content: (CheckpointWriter) throws -> Void
  ) throws {
    try meter.timing {
      let writer = try writer(name, identity)
      try content(writer)
      try finish(writer)
    }
  }

  /// Gives a checkpoint its name. Throws `OutputError`.
  package func finish(_ writer: CheckpointWriter) throws {
    try writer.finish()
    meter.add(bytes: writer.byteCount)
  }

  /// What this run has spent on checkpoints so far, on every rank. Collective.
  public func cost() throws -> CheckpointCost { try meter.total(on: comm) }

  /// A new checkpoint; makes the folder where it is missing.
  package func writer(_ name: String, _ identity: CheckpointIdentity) throws -> CheckpointWriter {
    if mkdir(path, 0o777) != 0 && errno != EEXIST {
      throw OutputError(file: path, "cannot be made: \(String(cString: strerror(errno)))")
    }
    return try CheckpointWriter(path: file(name), identity: identity)
  }

  /// Removes checkpoints, and the folder where it is empty then.
  package func remove(where isGone: (String) -> Bool) {
    for name in names where isGone(name) { unlink(file(name)) }
    // What is nested belongs to the run around it.
    if names.isEmpty && stem.isEmpty {
      for stem in sources.nested.map({ "\($0)-" }) {
        for name in names(stem: stem) { unlink("\(path)/\(stem)\(name)") }
      }
    }
    rmdir(path)
  }

  /// Removes the checkpoints of earlier numbers, and the parts of the one before: what they held is in number
  /// `number`. Two are kept: should the last be damaged, the one before it serves.
  package func removeEarlier(_ prefix: String, than number: Int) {
    remove { name in
      guard let other = Self.number(of: name, prefix) else { return false }
      return other < number - 1 || other == number - 1 && name != "\(prefix)\(other)"
    }
  }

  /// Removes all, after a run that is complete. Collective.
  public func removeAll() throws {
    try comm.barrier()
    if comm.isRoot { remove { _ in true } }
  }

  /// Tells what every rank has found, in rank order, each line once. Collective.
  package func tell(_ lines: [String]) throws {
    let all = try comm.gatherRagged(Array(lines.map { $0 + "\n" }.joined().utf8))
    var told: Set<Substring> = []
    for line in String(decoding: all, as: UTF8.self).split(separator: "\n")
    where told.insert(line).inserted {
      report(String(line))
    }
  }

  /// Tells what rank 0 knows; not collective.
  package func say(_ line: String) {
    if comm.isRoot { report(line) }
  }

  /// What `body` makes of a checkpoint; nil, and the reason in `lines`, where it cannot be used.
  package func reading<Result>(
    _ name: String, _ identity: CheckpointIdentity, _ lines: inout [String],
    _ body: (inout CheckpointReader) throws -> Result
  ) throws -> Result? {
    do {
      var reader = try CheckpointReader(path: file(name), expected: identity)
      let result = try body(&reader)
      try reader.expectEnd()
      return result
    } catch let defect as CheckpointDefect {
      lines.append("not used: \(defect)")
      return nil
    }
  }

  /// The same of a checkpoint that every rank reads, being small beside the images; nil, and the reasons told, where
  /// any of them cannot use it. Collective.
  package func readingOnAll<Result>(
    _ name: String, _ identity: CheckpointIdentity,
    _ body: (inout CheckpointReader) throws -> Result
  ) throws -> Result? {
    var lines: [String] = []
    let result = try reading(name, identity, &lines, body)
    try tell(lines)
    return try comm.allreduce(result == nil ? 0 : 1, .minimum) == 1 ? result : nil
  }

  // MARK: Identities

  /// Of the model: the input and the options that it depends on.
  package var modelIdentity: CheckpointIdentity { sources.input.merging(sources.model) { $1 } }

  /// Of what follows from the model: all options, and the model.
  package var searchIdentity: CheckpointIdentity {
    sources.input.merging(sources.search) { $1 }.merging(["model": modelKey]) { $1 }
  }

  /// What follows belongs to the model of this checksum.
  package func setModel(_ key: String) { modelKey = key }
}
