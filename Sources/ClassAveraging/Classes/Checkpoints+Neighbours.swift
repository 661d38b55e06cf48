import ParticleIO
import Resume

extension Checkpoints {
  /// What is known after a pass, on every rank.
  struct Pass {
    /// 1 for the search among single images.
    let number: Int
    let table: NeighbourTable
    /// Of the passes after the first.
    let reports: [RefinementReport]
    /// The order that the table's images are in; nil for that of the file.
    var order: LocalityOrder?
  }

  /// Saves the neighbours after a pass; the parts of the pass, and what it began with, are removed.
  /// Collective.
  func save(_ pass: Pass) throws {
    try comm.agree {
      if comm.isRoot {
        try write("\(Self.passName)\(pass.number)", pass)
        // Two are kept: should the last be damaged, the one before it serves.
        remove { name in
          if name.hasPrefix(Self.referencesName) { return true }
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
  /// reference classes where it is not.
  func candidates(
    pass: Int, of references: String? = nil, from table: NeighbourTable? = nil,
    in order: LocalityOrder
  )
    -> CheckpointParts
  {
    var identity = searchIdentity
    identity["pairs"] = "candidates"
    identity["order of images"] = order.checksum
    identity["landmarks"] = references
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
  /// - Parameter neighbours: an image has no fewer.
  func restoredPass(images: Int, neighbours: Int) throws -> Pass? {
    for number in try wholes(Self.passName) {
      if let pass = try restored(
        "\(Self.passName)\(number)", number: number, images: images, neighbours: neighbours)
      {
        say("resuming after pass \(number)")
        return pass
      }
    }
    return nil
  }

  /// Saves the neighbours in the end; what they were made of by co-assignment is removed. Collective.
  func save(neighbours table: NeighbourTable, reports: [RefinementReport]) throws {
    try comm.agree {
      if comm.isRoot {
        try write(
          Self.neighboursName, Pass(number: Self.last, table: table, reports: reports))
        remove { $0.hasPrefix(Self.coAssignmentName) }
      }
    }
  }

  /// The number of the neighbours in the end.
  private static var last: Int { 0 }

  /// The neighbours of a run that ended among its averages. Collective.
  func restoredNeighbours(images: Int, neighbours: Int) throws -> (
    NeighbourTable, [RefinementReport]
  )? {
    guard isResuming, try names(prefix: Self.neighboursName).contains(Self.neighboursName),
      let pass = try restored(
        Self.neighboursName, number: Self.last, images: images, neighbours: neighbours)
    else { return nil }
    say("resuming with all neighbours")
    return (pass.table, pass.reports)
  }

  private func write(_ name: String, _ pass: Pass) throws {
    try write(name, searchIdentity) { writer in
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
  private func restored(_ name: String, number: Int, images: Int, neighbours: Int) throws
    -> Pass?
  {
    var lines: [String] = []
    var pass: Pass?
    if comm.isRoot {
      pass = try reading(name, searchIdentity, &lines) {
        try Self.read(&$0, number: number, images: images, neighbours: neighbours)
      }
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
      order: order.isEmpty ? nil : LocalityOrder(order))
  }

  private static func read(
    _ reader: inout CheckpointReader, number: Int, images: Int, neighbours: Int
  ) throws -> Pass {
    let itsNumber = try reader.int()
    let (count, k) = (try reader.int(), try reader.int())
    guard count == images else {
      throw CheckpointDefect(path: reader.path, "is of \(count) images, not \(images)")
    }
    let indices: [Int32] = try reader.array()
    try reader.require(
      itsNumber == number && k >= max(1, neighbours) && k <= indices.count
        && indices.count == count * k && indices.allSatisfy { -1..<Int32(images) ~= $0 })
    var table = NeighbourTable(count: count, neighboursPerImage: k)
    table.indices = indices
    table.affinities = try reader.array()
    table.alignments = try AlignmentColumns(from: &reader, count: indices.count)
    table.probabilities = try reader.array()
    table.regressors = try reader.array()
    let passes: [Int] = try reader.array()
    let values: [Double] = try reader.array()
    let positions: [Int32] = try reader.array()
    try reader.require(
      table.affinities.count == indices.count
        && zip(indices, table.affinities).allSatisfy { $0 < 0 || !$1.isNaN }
        && [0, indices.count].contains(table.probabilities.count)
        && table.regressors.count % indices.count == 0
        && passes.elementsEqual(2..<2 + passes.count)
        && (number == last || number == 1 + passes.count)
        && values.count == 3 * passes.count && [0, count].contains(positions.count))
    let order = LocalityOrder(positions)
    try reader.require(order != nil)
    return Pass(
      number: number, table: table, reports: reports(passes, values),
      order: positions.isEmpty ? nil : order)
  }

  private static func reports(_ passes: [Int], _ values: [Double]) -> [RefinementReport] {
    passes.enumerated().map { at, pass in
      RefinementReport(
        pass: pass, correlation: values[3 * at], weight: values[3 * at + 1],
        kept: values[3 * at + 2])
    }
  }
}
