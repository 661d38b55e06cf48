import MPI

/// Lists of one length, a row for each image of a rank's slice, as words that can be saved.
package protocol WordRows {
  var wordsPerRow: Int { get }
  /// The words of a row, which `setWords` makes the same row of again.
  func appendWords(ofRow row: Int, to words: inout [UInt32])
  mutating func setWords(_ words: ArraySlice<UInt32>, ofRow row: Int)
  /// Whether words of some rows name nothing beyond the first `count` things that these lists are of.
  func areValid(_ words: [UInt32], of count: Int) -> Bool
}

/// Lists that each rank makes for its own images, some images at a time, saved as far as they are made.
///
/// A list is what it is whichever rank makes it, and whenever: what is done is a set of images with their rows.
/// A part (`CheckpointParts`) holds all of a rank's rows so far; a run that resumes hands those of all parts
/// to the ranks that own the images now.
package struct SavedLists<Lists: WordRows> {
  package var lists: Lists
  private let partition: Partition
  private let comm: Communicator
  private let parts: CheckpointParts?
  private var isDone: [Bool]
  /// Rows made since the last part was saved.
  private var unsaved = 0
  /// Rows made here for images of other ranks, until these have them.
  private var foreign: [Int32: [UInt32]] = [:]

  /// Images whose rows are written, and travel, together.
  private static var chunk: Int { 4096 }

  /// Takes over what earlier parts hold. Collective.
  /// - Parameters:
  ///   - lists: of this rank's images, empty.
  ///   - count: how many things there are that lists can name.
  ///   - parts: nil, on all ranks, where nothing is saved.
  /// - Throws: `OutputError`, `MPIError`.
  package init(
    _ lists: Lists, naming count: Int, of partition: Partition, parts: CheckpointParts?,
    on comm: Communicator
  ) throws {
    self.lists = lists
    self.partition = partition
    self.comm = comm
    self.parts = parts
    isDone = .init(repeating: false, count: partition.range(of: comm.rank).count)
    try restore(naming: count)
  }

  /// Rows that are still to be made, ascending.
  package var missing: [Int] { isDone.indices.filter { !isDone[$0] } }

  package mutating func markDone(_ rows: some Sequence<Int>) {
    for row in rows where !isDone[row] {
      isDone[row] = true
      unsaved += 1
    }
  }

  /// The row of an image; that of another rank's is kept until `handOver`.
  package mutating func set(_ words: ArraySlice<UInt32>, of image: Int) {
    let own = partition.range(of: comm.rank)
    if own.contains(image) {
      lists.setWords(words, ofRow: image - own.lowerBound)
      markDone(CollectionOfOne(image - own.lowerBound))
    } else {
      foreign[Int32(image)] = Array(words)
      unsaved += 1
    }
  }

  /// Hands rows made for other ranks' images to these. Collective.
  package mutating func handOver() throws {
    try receive(foreignRows)
    foreign = [:]
  }

  private var foreignRows: Chunk {
    let rows = foreign.sorted { $0.key < $1.key }
    return (rows.map(\.key), rows.flatMap(\.value))
  }

  /// Saves this rank's part if it is time or if the run was asked to stop; whether to go on. Not collective:
  /// ranks may be anywhere.
  package mutating func goesOn() throws -> Bool {
    guard let parts else { return true }
    let advice = try parts.advice()
    if advice != .goOn { try save() }
    return advice != .stop
  }

  /// Saves this rank's part if it is time. Not collective.
  package mutating func saveIfDue() throws {
    if parts?.isDue == true { try save() }
  }

  /// Saves this rank's part, unless there is nothing new. Not collective.
  package mutating func save() throws {
    guard let parts, unsaved > 0 else { return }
    try parts.save { try write($0) }
    unsaved = 0
  }

  /// Ends the run if any rank has been asked to stop, after every rank has saved its part. Collective.
  /// - Throws: `Interruption`.
  package mutating func stopIfAgreed() throws {
    try parts?.stopIfAgreed { try save() }
  }

  private func write(_ writer: CheckpointWriter) throws {
    let first = partition.range(of: comm.rank).lowerBound
    let rows = isDone.indices.filter { isDone[$0] }
    try writer.add(lists.wordsPerRow)
    try writer.add((rows.count + Self.chunk - 1) / Self.chunk + (foreign.isEmpty ? 0 : 1))
    for start in stride(from: 0, to: rows.count, by: Self.chunk) {
      let part = rows[start..<min(start + Self.chunk, rows.count)]
      var words: [UInt32] = []
      words.reserveCapacity(part.count * lists.wordsPerRow)
      for row in part { lists.appendWords(ofRow: row, to: &words) }
      try writer.add(part.map { Int32(first + $0) })
      try writer.add(words)
    }
    if foreign.isEmpty { return }
    let others = foreignRows
    try writer.add(others.images)
    try writer.add(others.words)
  }

  /// Some images, ascending, and their rows.
  private typealias Chunk = (images: [Int32], words: [UInt32])

  private static func chunks(
    _ reader: inout CheckpointReader, of lists: Lists, naming count: Int, images: Int
  ) throws -> [Chunk] {
    let width = lists.wordsPerRow
    guard try reader.int() == width else {
      throw CheckpointDefect(path: reader.path, "is corrupt: its lists are of another length")
    }
    return try (0..<(try reader.count())).map { _ in
      let chunk: Chunk = (try reader.array(), try reader.array())
      guard chunk.words.count == chunk.images.count * width,
        chunk.images.allSatisfy({ 0 <= $0 && $0 < images }),
        zip(chunk.images, chunk.images.dropFirst()).allSatisfy({ $0 < $1 }),
        lists.areValid(chunk.words, of: count)
      else {
        throw CheckpointDefect(path: reader.path, "is corrupt: its lists do not fit together")
      }
      return chunk
    }
  }

  private mutating func restore(naming count: Int) throws {
    guard let parts else { return }
    let files = try parts.earlier()
    if files.isEmpty { return }
    let (lists, total) = (lists, partition.total)
    try parts.restore(files) {
      try Self.chunks(&$0, of: lists, naming: count, images: total)
    } take: { chunks in
      for number in 0..<(try comm.allreduce(chunks?.count ?? 0, .maximum)) {
        if let chunks, number < chunks.count {
          try receive(chunks[number])
        } else {
          try receive(([], []))
        }
      }
    }
    let done = try comm.allreduce(isDone.count { $0 })
    parts.checkpoints.say(
      "resuming in \(parts.title): \(100 * done / total) % of its images are done")
    try parts.replace(files) { try parts.save { try write($0) } }
    unsaved = 0
  }

  /// Hands rows to the ranks that own the images, and takes those of this rank's. Collective.
  private mutating func receive(_ chunk: Chunk) throws {
    var counts = [Int](repeating: 0, count: comm.size)
    for image in chunk.images { counts[partition.owner(of: Int(image))] += 1 }
    let width = lists.wordsPerRow
    let images = try comm.alltoallRagged(chunk.images, counts: counts).values
    let words = try comm.alltoallRagged(chunk.words, counts: counts.map { $0 * width }).values
    for (at, image) in images.enumerated() {
      set(words[at * width..<(at + 1) * width], of: Int(image))
    }
  }
}
