import Resume
import Volumes

extension Checkpoints {
  private static var volumeName: String { "\(coAssignmentName)volume" }

  /// Saves the members that a round found; the parts of its comparison are removed. Collective.
  /// - Parameter table: of the pass that the first round started from.
  /// - Throws: `Interruption` where the run was asked to stop.
  func save(_ members: ReferenceMembers, round: Int, from table: NeighbourTable) throws {
    let all = members.lists.joined()
    let lengths = try comm.gatherRagged(members.lists.map { Int32($0.count) })
    let images = try comm.gatherRagged(all.map(\.image))
    let weights = try comm.gatherRagged(all.map(\.weight))
    let alignments = try AlignmentColumns(all.lazy.map(\.alignment)).gathered(on: comm)
    try comm.agree {
      if comm.isRoot {
        try write("\(Self.coAssignmentName)\(round)", identity(after: table)) { writer in
          try writer.add(round)
          try writer.add(lengths)
          try writer.add(images)
          try writer.add(weights)
          try alignments.write(to: writer)
        }
        removeEarlier(Self.coAssignmentName, than: round)
      }
    }
    try stop.throwIfAgreed()
  }

  /// The members that the latest round found which was saved and can be used. Collective.
  /// - Parameters:
  ///   - count: how many reference classes there are.
  ///   - own: those of this rank.
  ///   - rounds: how many the search makes.
  func restoredMembers(
    from table: NeighbourTable, references count: Int, own: Range<Int>, rounds: Int
  ) throws -> (members: ReferenceMembers, round: Int)? {
    for number in try wholes(Self.coAssignmentName) {
      let saved = try readingOnAll("\(Self.coAssignmentName)\(number)", identity(after: table)) {
        try $0.require(0 < number && number < rounds)
        return try Self.members(&$0, references: count, images: table.count, round: number)
      }
      if let saved {
        say("resuming after round \(saved.round) of co-assignment")
        return (ReferenceMembers(references: own, lists: Array(saved.lists[own])), saved.round)
      }
    }
    return nil
  }

  /// The parts of the comparison of all images with the reference classes of a round.
  func comparison(round: Int, from table: NeighbourTable) -> CheckpointParts {
    CheckpointParts(
      self, name: "\(Self.coAssignmentName)\(round)", title: "round \(round + 1) of co-assignment",
      identity: identity(after: table))
  }

  /// The parts of the alignment of the neighbours in the end.
  func sharedNeighbours(from table: NeighbourTable) -> CheckpointParts {
    CheckpointParts(
      self, name: "\(Self.coAssignmentName)neighbours", title: "the alignment of the neighbours",
      identity: identity(after: table))
  }

  /// Saves the volume that class averages of these neighbours were matched by. Collective.
  /// - Throws: `Interruption` where the run was asked to stop.
  func save(_ volume: SimulatedVolume, from table: NeighbourTable) throws {
    try comm.agree {
      if comm.isRoot {
        try write(Self.volumeName, identity(after: table)) { writer in
          try writer.add(volume.degree)
          try writer.add(volume.rank)
          try writer.add(volume.coefficients)
        }
      }
    }
    try stop.throwIfAgreed()
  }

  /// The volume saved, where it can be used. Collective.
  /// - Parameters:
  ///   - degree: of the volumes that are matched here.
  ///   - rank: radial coordinates of their harmonics.
  func restoredVolume(from table: NeighbourTable, degree: Int, rank: Int) throws
    -> SimulatedVolume?
  {
    guard isResuming, try names(prefix: Self.volumeName).contains(Self.volumeName) else {
      return nil
    }
    let saved = try readingOnAll(Self.volumeName, identity(after: table)) { reader in
      try reader.require(try reader.int() == degree)
      try reader.require(try reader.int() == rank)
      return SimulatedVolume(
        coefficients: try reader.floats((degree + 1) * (degree + 1) * rank), degree: degree,
        rank: rank)
    }
    if saved != nil { say("resuming with the volume") }
    return saved
  }

  /// The parts of the comparison of all images with projections of the volume.
  func comparison(withProjections projections: ReferenceClasses, from table: NeighbourTable)
    -> CheckpointParts
  {
    CheckpointParts(
      self, name: "\(Self.coAssignmentName)slices", title: "the comparison with projections",
      identity: identity(of: projections, from: table))
  }

  /// The parts of the alignment of the neighbours that share projections.
  func projectionNeighbours(of projections: ReferenceClasses, from table: NeighbourTable)
    -> CheckpointParts
  {
    CheckpointParts(
      self, name: "\(Self.coAssignmentName)last", title: "the last alignment of the neighbours",
      identity: identity(of: projections, from: table))
  }

  private func identity(of projections: ReferenceClasses, from table: NeighbourTable)
    -> CheckpointIdentity
  {
    identity(after: table).merging(["slices": projections.checksum]) { $1 }
  }

  private static func members(
    _ reader: inout CheckpointReader, references: Int, images: Int, round expected: Int
  ) throws -> (lists: [[ReferenceMembers.Member]], round: Int) {
    let round = try reader.int()
    let lengths: [Int32] = try reader.array()
    let members: [Int32] = try reader.array()
    let weights = try reader.numbers(members.count)
    let alignments = try AlignmentColumns(from: &reader, count: members.count)
    try reader.require(
      round == expected && lengths.count == references
        && lengths.allSatisfy { $0 >= 0 }
        && lengths.reduce(0) { $0 + Int($1) } == members.count
        && weights.allSatisfy { 0...1 ~= $0 }
        && members.allSatisfy { 0..<Int32(images) ~= $0 })
    var next = 0
    let lists = lengths.map { length in
      defer { next += Int(length) }
      return (next..<next + Int(length)).map {
        ReferenceMembers.Member(
          image: members[$0], weight: weights[$0], alignment: alignments[$0])
      }
    }
    return (lists, round)
  }
}
