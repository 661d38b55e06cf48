import ParticleIO
import Resume

extension Checkpoints {
  /// What is known after a pass, on every rank.
  struct Pass {
    /// 1 for the search among single images.
    let number: Int
    let table: NeighbourTable
    /// Of the passes after the first.
    let reports: [PassReport]
    /// The order that the table's images are in; nil for that of the file.
    var order: ViewOrder?
  }

  /// Saves the neighbours after a pass; the parts of the pass, and what it began with, are removed.
  /// Collective.
  func save(_ pass: Pass) throws {
    try comm.agree {
      if comm.isRoot {
        try write("\(Self.passName)\(pass.number)", searchIdentity, pass)
        // Two are kept: should the last be damaged, the one before it serves.
        remove { name in
          if name.hasPrefix(Self.landmarksName) { return true }
          guard let number = Self.number(of: name, Self.passName) else { return false }
          return number < pass.number - 1 || name.hasPrefix("\(Self.passName)\(pass.number)-")
        }
      }
    }
    try stop.throwIfAgreed()
  }

  /// The state of an all-pairs pass, which starts from `table` where it is among classes.
  func search(pass: Int, from table: NeighbourTable? = nil) -> SearchCheckpoint {
    SearchCheckpoint(parts(pass: pass, searchIdentity, from: table))
  }

  /// The parts of a pass among candidates, which starts from `table` where it is among classes, and from
  /// landmarks where it is not.
  func candidates(
    pass: Int, of landmarks: String? = nil, from table: NeighbourTable? = nil,
    in order: ViewOrder
  )
    -> CheckpointParts
  {
    var identity = searchIdentity
    identity["pairs"] = "candidates"
    identity["order of images"] = order.checksum
    identity["landmarks"] = landmarks
    return parts(pass: pass, identity, from: table)
  }

  private func parts(pass: Int, _ identity: CheckpointIdentity, from table: NeighbourTable?)
    -> CheckpointParts
  {
    CheckpointParts(
      self, name: "\(Self.passName)\(pass)", title: "pass \(pass)",
      identity: table.map { self.identity(identity, after: $0) } ?? identity)
  }

  /// Of what follows from a table of neighbours.
  func identity(_ identity: CheckpointIdentity? = nil, after table: NeighbourTable)
    -> CheckpointIdentity
  {
    var checksum = Checksum()
    table.indices.withUnsafeBytes { checksum.add($0) }
    table.affinities.withUnsafeBytes { checksum.add($0) }
    return (identity ?? searchIdentity).merging(["neighbours before": checksum.text]) { $1 }
  }

  /// The latest pass that was saved and can be used. Collective.
  func restoredPass(images: Int) throws -> Pass? {
    for number in try wholes(Self.passName) {
      if let pass = try restored("\(Self.passName)\(number)", searchIdentity, images: images) {
        say("resuming after pass \(number)")
        return pass
      }
    }
    return nil
  }

  /// Saves the neighbours in the end; what they were made of by shared landmarks is removed. Collective.
  func save(neighbours table: NeighbourTable, reports: [PassReport]) throws {
    try comm.agree {
      if comm.isRoot {
        try write(
          Self.neighboursName, searchIdentity, Pass(number: 0, table: table, reports: reports))
        remove { $0.hasPrefix(Self.sharedName) }
      }
    }
  }

  /// The neighbours of a run that ended among its averages. Collective.
  func restoredNeighbours(images: Int) throws -> (NeighbourTable, [PassReport])? {
    guard isResuming, try names(prefix: Self.neighboursName).contains(Self.neighboursName),
      let pass = try restored(Self.neighboursName, searchIdentity, images: images)
    else { return nil }
    say("resuming with all neighbours")
    return (pass.table, pass.reports)
  }

  private func write(_ name: String, _ identity: CheckpointIdentity, _ pass: Pass) throws {
    try write(name, identity) { writer in
      let table = pass.table
      for number in [pass.number, table.count, table.neighboursPerImage] { try writer.add(number) }
      try writer.add(table.indices)
      try writer.add(table.affinities)
      try table.alignments.write(to: writer)
      try writer.add(table.probabilities)
      try writer.add(table.regressors)
      try writer.add(pass.reports.map(\.pass))
      try writer.add(pass.reports.flatMap { [$0.correlation, $0.weight, $0.kept] })
      try writer.add(pass.order?.images ?? [])
    }
  }

  /// Rank 0 reads, all get it; nil, after a word about it, where it cannot be used.
  private func restored(_ name: String, _ identity: CheckpointIdentity, images: Int) throws -> Pass?
  {
    var lines: [String] = []
    var pass: Pass?
    if comm.isRoot {
      pass = try reading(name, identity, &lines) { try Self.read(&$0, images: images) }
    }
    try tell(lines)
    let numbers = try comm.broadcast(
      pass.map { [$0.number, $0.table.neighboursPerImage, $0.reports.count] } ?? [])
    if numbers.isEmpty { return nil }
    let table = try (pass?.table ?? NeighbourTable(count: 0, neighboursPerImage: numbers[1]))
      .broadcast(on: comm)
    let passes = try comm.broadcast(pass?.reports.map(\.pass) ?? [])
    let values = try comm.broadcast(
      pass?.reports.flatMap { [$0.correlation, $0.weight, $0.kept] } ?? [])
    let order = try comm.broadcast(pass?.order?.images ?? [])
    return Pass(
      number: numbers[0], table: table, reports: Self.reports(passes, values),
      order: order.isEmpty ? nil : ViewOrder(order))
  }

  private static func read(_ reader: inout CheckpointReader, images: Int) throws -> Pass {
    let number = try reader.int()
    let (count, k) = (try reader.int(), try reader.int())
    guard count == images, k > 0 else {
      throw CheckpointDefect(path: reader.path, "is of \(count) images, not \(images)")
    }
    var table = NeighbourTable(count: count, neighboursPerImage: k)
    table.indices = try reader.array()
    table.affinities = try reader.array()
    table.alignments = try AlignmentColumns(from: &reader)
    table.probabilities = try reader.array()
    table.regressors = try reader.array()
    let passes: [Int] = try reader.array()
    let values: [Double] = try reader.array()
    let positions: [Int32] = try reader.array()
    let order = ViewOrder(positions)
    guard table.indices.count == count * k, table.alignments.count == count * k,
      [0, count * k].contains(table.probabilities.count),
      values.count == 3 * passes.count, let order, [0, count].contains(positions.count)
    else { throw CheckpointDefect(path: reader.path, "is corrupt: its arrays do not fit together") }
    return Pass(
      number: number, table: table, reports: reports(passes, values),
      order: positions.isEmpty ? nil : order)
  }

  private static func reports(_ passes: [Int], _ values: [Double]) -> [PassReport] {
    passes.enumerated().map { at, pass in
      PassReport(
        pass: pass, correlation: values[3 * at], weight: values[3 * at + 1],
        kept: values[3 * at + 2])
    }
  }
}
