import MPI
import Resume

/// What one rank knows of some images' lists, as it is saved.
struct ListRecord {
  /// Positions in the search's order.
  var images: Range<Int>
  /// Which pairs the lists have been offered.
  var compared: [ComparedRectangle]
  /// `BestCandidates.packed`, of every image.
  var words: [Int64]
}

/// The state of an all-pairs pass on disk.
///
/// A rank's part holds the lists of its own images and of the travelling block's, with the pairs that they were
/// offered (`CheckpointParts`).
final class SearchCheckpoint {
  private let parts: CheckpointParts

  init(_ parts: CheckpointParts) { self.parts = parts }

  /// Whether this rank has been told to stop, and has saved its part.
  var isStopping: Bool { parts.isStopping }

  /// What this rank should do between two blocks of work. Cheap; waits for nobody.
  func advice() throws -> CheckpointParts.Advice { try parts.advice() }

  /// Writes this rank's part in place of the one before. Throws `OutputError`.
  func save(_ made: @autoclosure () -> [ListRecord]) throws {
    try parts.save { writer in
      let records = made()
      try writer.add(records.count)
      for record in records {
        for number in [record.images.lowerBound, record.images.upperBound] {
          try writer.add(number)
        }
        try writer.add(Self.numbers(record.compared))
        try writer.add(record.words)
      }
    }
  }

  /// Ends the run if any rank has been asked to stop, after every rank has saved its part. Collective.
  /// - Throws: `Interruption`.
  func stopIfAgreed(_ records: () -> [ListRecord]) throws {
    try parts.stopIfAgreed { if !isStopping { try save(records()) } }
  }

  /// Offers what earlier parts hold of this rank's images to `lists`, and writes it as a part of this run.
  /// Collective.
  /// - Parameter shares: of the positions in the search's order.
  /// - Returns: what the lists of all ranks have been offered.
  func restore(into lists: inout SearchLists, shares: Partition) throws -> ComparedRectangles {
    let comm = parts.checkpoints.comm
    var all = ComparedRectangles()
    let files = try parts.earlier()
    if files.isEmpty { return all }
    let own = ComparedRectangle(images: lists.positions.range, partners: 0..<shares.total)
    let capacity = lists.own.capacity
    lists.own.mayRepeat = true
    try parts.restore(files) {
      try Self.records(&$0, capacity: capacity, images: shares.total)
    } take: { part in
      let records = part ?? []
      let numbers = try comm.allgatherRagged(Self.numbers(records.flatMap(\.compared)))
      for rectangle in Self.rectangles(numbers) {
        all.add(rectangle)
        lists.compared.add(rectangle.intersection(own))
      }
      for number in 0..<(try comm.allreduce(records.count, .maximum)) {
        let record = number < records.count ? records[number] : nil
        try shares.scatter(
          first: record?.images.lowerBound ?? 0, values: record?.words ?? [], width: capacity,
          on: comm
        ) { position, words in
          lists.own.offer(row: lists.positions.row(position: position), packed: words)
        }
      }
    }
    let share = min(1, Double(all.area) / (Double(shares.total) * Double(shares.total)))
    parts.checkpoints.say(
      "resuming in \(parts.title): \(Int(100 * share)) % of its pairs are done")
    try parts.replace(files) { try save(lists.records) }
    return all
  }

  private static func numbers(_ rectangles: [ComparedRectangle]) -> [Int] {
    rectangles.flatMap {
      [
        $0.images.lowerBound, $0.images.upperBound, $0.partners.lowerBound,
        $0.partners.upperBound,
      ]
    }
  }

  private static func records(
    _ reader: inout CheckpointReader, capacity: Int, images: Int
  ) throws -> [ListRecord] {
    var records: [ListRecord] = []
    for _ in 0..<(try reader.count()) {
      let (lower, upper) = (try reader.int(), try reader.int())
      let numbers: [Int] = try reader.array()
      let words: [Int64] = try reader.array()
      guard 0 <= lower, lower <= upper, upper <= images, words.count == (upper - lower) * capacity,
        numbers.count % 4 == 0, numbers.allSatisfy({ 0...images ~= $0 }),
        stride(from: 0, to: numbers.count, by: 2).allSatisfy({ numbers[$0] <= numbers[$0 + 1] }),
        BestCandidates.areValid(packed: words, of: images)
      else {
        throw CheckpointDefect(path: reader.path, "is corrupt: its lists are of another length")
      }
      records.append(
        ListRecord(images: lower..<upper, compared: Self.rectangles(numbers), words: words))
    }
    return records
  }

  private static func rectangles(_ numbers: [Int]) -> [ComparedRectangle] {
    stride(from: 0, to: numbers.count - 3, by: 4).map {
      ComparedRectangle(
        images: numbers[$0]..<numbers[$0 + 1], partners: numbers[$0 + 2]..<numbers[$0 + 3])
    }
  }
}
