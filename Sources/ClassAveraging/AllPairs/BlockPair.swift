/// Two blocks of images that meet on a rank: its own and a travelling block, or its own with itself.
struct BlockPair {
  let own: BlockPositions
  let travelling: BlockPositions
  /// Pairs of the first and the second block that the lists of both have been offered before; positions.
  private let comparedBefore: [ComparedRectangle]

  /// Whether a block meets itself: each pair once.
  var isTriangle: Bool { own.range == travelling.range }
  /// Whether this rank's images are the rows: the block that comes first in the order gives them.
  let isOwnFirst: Bool
  var first: BlockPositions { isOwnFirst ? own : travelling }
  var second: BlockPositions { isOwnFirst ? travelling : own }

  /// - Parameter known: what all ranks' lists have been offered before.
  init(own: BlockPositions, travelling: BlockPositions, known: ComparedRectangles) {
    self.own = own
    self.travelling = travelling
    isOwnFirst = own.range.lowerBound <= travelling.range.lowerBound
    let (first, second) = isOwnFirst ? (own, travelling) : (travelling, own)
    comparedBefore =
      known.rectangles.isEmpty
      ? [] : known.comparedByBoth(rows: first.range, columns: second.range)
  }

  /// The pairs that were compared before, by rows of the two blocks.
  var rowsComparedBefore: [ComparedRectangle] {
    comparedBefore.map {
      ComparedRectangle(
        images: first.rows(positions: $0.images), partners: second.rows(positions: $0.partners))
    }
  }

  /// What this rank's lists have been offered once the images of some positions have been compared with the whole
  /// second block. What was compared before is in the lists from before.
  func ownCompared(_ done: Range<Int>) -> [ComparedRectangle] {
    let compared = ComparedRectangle(images: done, partners: second.range)
    if isTriangle {
      return [
        compared, ComparedRectangle(images: done.upperBound..<own.range.upperBound, partners: done),
      ]
    }
    return [isOwnFirst ? compared : compared.transposed]
  }

  /// What the lists that this rank makes for the travelling block have been offered: no pair that was compared before.
  func travellingCompared(_ done: Range<Int>) -> [ComparedRectangle] {
    if isTriangle { return [] }
    let compared = ComparedRectangle(images: done, partners: second.range)
    var rectangles = [isOwnFirst ? compared.transposed : compared]
    for pairs in comparedBefore {
      rectangles = rectangles.flatMap { $0.subtracting(isOwnFirst ? pairs.transposed : pairs) }
    }
    return rectangles
  }
}

/// The lists that a rank holds in an all-pairs pass, and what they have been offered.
struct SearchLists {
  /// Of this rank's images, a list for each row.
  var own: BestCandidates
  /// The pairs that these have been offered.
  var compared = ComparedRectangles()
  let positions: BlockPositions
  /// What was handed back last to another rank, which may not have saved it yet.
  var handedBack: ListRecord?

  init(_ positions: BlockPositions, capacity: Int) {
    own = BestCandidates(rows: positions.rowCount, capacity: capacity)
    self.positions = positions
  }

  /// As they are between two block pairs.
  var records: [ListRecord] {
    [record(own, positions, compared.rectangles)] + (handedBack.map { [$0] } ?? [])
  }

  private func record(
    _ lists: BestCandidates, _ positions: BlockPositions, _ compared: [ComparedRectangle]
  )
    -> ListRecord
  {
    ListRecord(
      images: positions.range, compared: compared,
      words: positions.compacted(lists.packed, capacity: own.capacity))
  }

  /// Enters what was found in a block pair of whose first block the positions `done` are done.
  mutating func add(_ blockPair: BlockPair, done: Range<Int>, found: [TileLists]) {
    for part in found {
      if blockPair.isTriangle || blockPair.isOwnFirst { own.merge(part.rows) }
      if blockPair.isTriangle || !blockPair.isOwnFirst { own.merge(part.columns) }
    }
    for rectangle in blockPair.ownCompared(done) { compared.add(rectangle) }
  }

  /// What was found for the travelling block.
  func travelling(_ blockPair: BlockPair, found: [TileLists]) -> BestCandidates {
    var lists = blockPair.isOwnFirst ? found[0].columns : found[0].rows
    for part in found.dropFirst() { lists.merge(blockPair.isOwnFirst ? part.columns : part.rows) }
    return lists
  }

  /// The travelling block's lists as they are saved.
  func travellingRecord(_ lists: BestCandidates, _ blockPair: BlockPair, done: Range<Int>)
    -> ListRecord
  {
    record(lists, blockPair.travelling, blockPair.travellingCompared(done))
  }

  /// As they are in the middle of a block pair.
  func records(_ blockPair: BlockPair, done: Range<Int>, found: [TileLists]) -> [ListRecord] {
    var now = self
    now.add(blockPair, done: done, found: found)
    if blockPair.isTriangle { return now.records }
    return now.records
      + [travellingRecord(travelling(blockPair, found: found), blockPair, done: done)]
  }
}
