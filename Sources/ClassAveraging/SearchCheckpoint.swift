import MPI
import ParticleIO

/// What one rank knows of some images' lists, as it is saved.
struct ListRecord {
  /// Places in the search's order.
  var images: Range<Int>
  /// Which pairs the lists have been offered.
  var claims: [PairClaim]
  /// `BestCandidates.packed`, of every image.
  var words: [Int64]
}

/// The state of an all-pairs pass on disk.
///
/// Every rank writes its part at its own time: the lists of its own images and of the visitor's, with
/// the pairs that they were offered. Each part says no more than it holds: parts of different ages, and of runs
/// on different numbers of ranks, go together, and where one is missing its pairs are scored again. A run that
/// resumes first writes what it has found as parts of its own, then removes the others.
final class SearchCheckpoint {
  private let checkpoints: Checkpoints
  private let pass: Int
  private let identity: CheckpointIdentity
  private var session = 1
  private var saved: Double
  /// Whether this rank has been told to stop, and has saved its part.
  private(set) var isStopping = false

  /// - Parameter identity: of the pass; another makes its parts foreign.
  init(_ checkpoints: Checkpoints, pass: Int, identity: CheckpointIdentity) {
    self.checkpoints = checkpoints
    self.pass = pass
    self.identity = identity
    saved = Communicator.wallTime()
  }

  private var prefix: String { "pass-\(pass)-rank-" }

  /// What this rank should do between two blocks of work.
  enum Advice { case goOn, save, stop }

  /// Cheap; waits for nobody.
  func advice() throws -> Advice {
    if isStopping { return .stop }
    if try checkpoints.stop.poll() {
      isStopping = true
      return .stop
    }
    return Communicator.wallTime() - saved >= checkpoints.interval ? .save : .goOn
  }

  /// Writes this rank's part in place of the one before. Throws `OutputError`.
  func save(_ records: [ListRecord]) throws {
    let comm = checkpoints.comm
    let writer = try checkpoints.writer("\(prefix)\(comm.rank)-\(session)", identity)
    try writer.add(records.count)
    for record in records {
      for number in [record.images.lowerBound, record.images.upperBound] { try writer.add(number) }
      try writer.add(
        record.claims.flatMap {
          [
            $0.images.lowerBound, $0.images.upperBound, $0.partners.lowerBound,
            $0.partners.upperBound,
          ]
        })
      try writer.add(record.words)
    }
    try writer.finish()
    saved = Communicator.wallTime()
  }

  /// Ends the run if any rank has been asked to stop, after every rank has saved its part. Collective.
  /// - Throws: `Interruption`.
  func stopIfAgreed(_ records: () -> [ListRecord]) throws {
    if try checkpoints.stop.agree() {
      if !isStopping { try save(records()) }
      try checkpoints.stop.throwIfAgreed()
    }
  }

  /// Offers what earlier parts hold of this rank's images to `lists`, and writes it as a part of this run.
  /// Collective.
  /// - Parameter shares: of the places in the search's order.
  /// - Returns: the claims of all ranks.
  func restore(into lists: inout SearchLists, shares: Partition) throws -> PairCoverage {
    let comm = checkpoints.comm
    var all = PairCoverage()
    let files = checkpoints.isResuming ? try checkpoints.names(prefix: prefix) : []
    if files.isEmpty { return all }
    let own = PairClaim(images: lists.places.range, partners: 0..<shares.total)
    let capacity = lists.own.capacity
    lists.own.mayRepeat = true
    var lines: [String] = []
    for start in stride(from: 0, to: files.count, by: comm.size) {
      var records: [ListRecord] = []
      if start + comm.rank < files.count {
        records =
          try checkpoints.reading(files[start + comm.rank], identity, &lines) {
            try Self.records(&$0, capacity: capacity, images: shares.total)
          } ?? []
      }
      let claims = try comm.allgatherRagged(
        records.flatMap(\.claims).flatMap {
          [
            $0.images.lowerBound, $0.images.upperBound, $0.partners.lowerBound,
            $0.partners.upperBound,
          ]
        })
      for claim in Self.claims(claims) {
        all.add(claim)
        lists.coverage.add(claim.intersection(own))
      }
      for number in 0..<(try comm.allreduce(records.count, .maximum)) {
        let record = number < records.count ? records[number] : nil
        try shares.scatter(
          first: record?.images.lowerBound ?? 0, values: record?.words ?? [], width: capacity,
          on: comm
        ) { place, words in
          lists.own.offer(row: lists.places.row(place: place), packed: words)
        }
      }
    }
    try checkpoints.tell(lines)
    let share = min(1, Double(all.area) / (Double(shares.total) * Double(shares.total)))
    checkpoints.say("resuming in pass \(pass): \(Int(100 * share)) % of its pairs are done")
    session =
      1 + (files.compactMap { $0.split(separator: "-").last.flatMap { Int($0) } }.max() ?? 0)
    try comm.agree { try save(lists.records) }
    if comm.isRoot { checkpoints.remove { files.contains($0) } }
    return all
  }

  private static func records(
    _ reader: inout CheckpointReader, capacity: Int, images: Int
  ) throws -> [ListRecord] {
    var records: [ListRecord] = []
    for _ in 0..<(try reader.int()) {
      let (lower, upper) = (try reader.int(), try reader.int())
      let claims: [Int] = try reader.array()
      let words: [Int64] = try reader.array()
      guard 0 <= lower, lower <= upper, upper <= images, words.count == (upper - lower) * capacity
      else {
        throw CheckpointDefect(path: reader.path, "is corrupt: its lists are of another length")
      }
      records.append(
        ListRecord(images: lower..<upper, claims: Self.claims(claims), words: words))
    }
    return records
  }

  private static func claims(_ numbers: [Int]) -> [PairClaim] {
    stride(from: 0, to: numbers.count - 3, by: 4).map {
      PairClaim(
        images: numbers[$0]..<numbers[$0 + 1], partners: numbers[$0 + 2]..<numbers[$0 + 3])
    }
  }
}
