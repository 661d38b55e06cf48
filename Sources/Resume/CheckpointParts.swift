import MPI

/// The files of a stage of which every rank saves a part, at its own time: `NAME-rank-R-S`, of rank R in the
/// Sth run of the stage.
///
/// Each part says what it holds, and no more: parts of different ages, and of runs on different numbers of ranks, go
/// together, and what is missing is done again. A run that resumes first writes what it has found as
/// parts of its own, then removes the others.
package final class CheckpointParts {
  package let checkpoints: Checkpoints
  private let prefix: String
  /// What the run is told that it resumes in.
  package let title: String
  private let identity: CheckpointIdentity
  private var session = 1
  private var saved: Double
  /// Whether this rank has been told to stop.
  package private(set) var isStopping = false

  /// - Parameters:
  ///   - name: of the stage's files.
  ///   - identity: of the stage; another makes its parts foreign.
  package init(
    _ checkpoints: Checkpoints, name: String, title: String, identity: CheckpointIdentity
  ) {
    self.checkpoints = checkpoints
    prefix = "\(name)-rank-"
    self.title = title
    self.identity = identity
    saved = Communicator.wallTime()
  }

  /// Whether the last part has become too old.
  var isDue: Bool { Communicator.wallTime() - saved >= checkpoints.interval }

  /// What a rank should do between two blocks of work.
  package enum Advice { case goOn, save, stop }

  /// Cheap; waits for nobody.
  package func advice() throws -> Advice {
    if isStopping { return .stop }
    if try checkpoints.stop.poll() {
      isStopping = true
      return .stop
    }
    return isDue ? .save : .goOn
  }

  /// Writes this rank's part in place of the one before. Throws `OutputError`.
  package func save(_ content: (CheckpointWriter) throws -> Void) throws {
    try checkpoints.write("\(prefix)\(checkpoints.comm.rank)-\(session)", identity, content)
    saved = Communicator.wallTime()
  }

  /// Ends the run if any rank has been asked to stop, after `save` on every rank. Collective.
  /// - Throws: `Interruption`, on all ranks.
  package func stopIfAgreed(_ save: () throws -> Void) throws {
    if try checkpoints.stop.agree() {
      try save()
      try checkpoints.stop.throwIfAgreed()
    }
  }

  /// The names of earlier parts; none where the run does not resume. Collective.
  package func earlier() throws -> [String] {
    checkpoints.isResuming ? try checkpoints.names(prefix: prefix) : []
  }

  /// Reads parts, each on one rank, and tells which cannot be used. Collective.
  /// - Parameters:
  ///   - read: throws `CheckpointDefect` where the content is not what it should be.
  ///   - take: collective; nil on a rank that has read none.
  package func restore<Part>(
    _ files: [String], read: (inout CheckpointReader) throws -> Part,
    take: (Part?) throws -> Void
  ) throws {
    let comm = checkpoints.comm
    var lines: [String] = []
    for start in stride(from: 0, to: files.count, by: comm.size) {
      var part: Part?
      if start + comm.rank < files.count {
        part = try checkpoints.reading(files[start + comm.rank], identity, &lines, read)
      }
      try take(part)
    }
    try checkpoints.tell(lines)
  }

  /// Removes earlier parts once `save` has written what they held on every rank. Collective.
  package func replace(_ files: [String], _ save: () throws -> Void) throws {
    // In 32 bits: whatever a file is called, there is a next number.
    session =
      1 + Int(files.compactMap { $0.split(separator: "-").last.flatMap { Int32($0) } }.max() ?? 0)
    try checkpoints.comm.agree { try save() }
    if checkpoints.comm.isRoot { checkpoints.remove { files.contains($0) } }
  }
}
