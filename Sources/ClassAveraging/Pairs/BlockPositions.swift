/// Where the images of a block stand in the search's order: its rows are filled up to lane groups of 16,
/// positions are not.
struct BlockPositions {
  /// The positions of each lane group's images, ascending without gaps.
  private let groups: [Range<Int>]
  /// The block's images.
  let range: Range<Int>

  static let lanes = 16

  /// - Parameters:
  ///   - laneGroups: slices of the order itself, so that their indices are positions.
  ///   - range: the positions of all of them.
  init(_ laneGroups: [ArraySlice<Int>], range: Range<Int>) {
    groups = laneGroups.map(\.indices)
    self.range = range
  }

  var rowCount: Int { groups.count * Self.lanes }

  /// How far the positions reach that lie before a row.
  func position(row: Int) -> Int {
    let (group, lane) = row.quotientAndRemainder(dividingBy: Self.lanes)
    if group == groups.count { return range.upperBound }
    return min(groups[group].lowerBound + lane, groups[group].upperBound)
  }

  func positions(rows: Range<Int>) -> Range<Int> {
    position(row: rows.lowerBound)..<position(row: rows.upperBound)
  }

  /// The row of a position of this block.
  func row(position: Int) -> Int {
    var (low, high) = (0, groups.count - 1)
    while low < high {
      let middle = (low + high + 1) / 2
      if groups[middle].lowerBound <= position { low = middle } else { high = middle - 1 }
    }
    return low * Self.lanes + position - groups[low].lowerBound
  }

  /// The rows of some positions, with those without an image that follow them.
  func rows(positions: Range<Int>) -> Range<Int> {
    if positions.isEmpty { return 0..<0 }
    let last = row(position: positions.upperBound - 1)
    let isEnd = groups[last / Self.lanes].upperBound == positions.upperBound
    let end = isEnd ? (last / Self.lanes + 1) * Self.lanes : last + 1
    return row(position: positions.lowerBound)..<end
  }

  /// The lists of rows that have an image, of `capacity` words each.
  func compacted(_ words: [Int64], capacity: Int) -> [Int64] {
    var result: [Int64] = []
    result.reserveCapacity(range.count * capacity)
    for (at, group) in groups.enumerated() {
      let start = at * Self.lanes * capacity
      result += words[start..<start + group.count * capacity]
    }
    return result
  }
}
