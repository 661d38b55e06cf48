/// Sparse rows of weights: row r has the columns `columns[offsets[r]..<offsets[r + 1]]`.
struct WeightedLists: Sendable {
  let offsets: [Int]
  let columns: [Int32]
  let weights: [Float]

  /// - Parameter entries: called twice, with a function to be called for each (row, column, weight), in the
  ///   same order both times.
  init(rows: Int, entries: ((Int, Int32, Float) -> Void) -> Void) {
    var counts = [Int](repeating: 0, count: rows + 1)
    entries { row, _, _ in counts[row + 1] += 1 }
    for row in 0..<rows { counts[row + 1] += counts[row] }
    offsets = counts
    var columns = [Int32](repeating: 0, count: counts[rows])
    var weights = [Float](repeating: 0, count: counts[rows])
    entries { row, column, weight in
      columns[counts[row]] = column
      weights[counts[row]] = weight
      counts[row] += 1
    }
    self.columns = columns
    self.weights = weights
  }

  /// - Parameter lengths: of the rows, one after the other.
  init(lengths: [Int32], columns: [Int32], weights: [Float]) {
    offsets = Self.offsets(ofLengths: lengths)
    precondition(offsets[lengths.count] == columns.count && columns.count == weights.count)
    (self.columns, self.weights) = (columns, weights)
  }

  /// Where rows of these lengths begin, and the last one ends.
  static func offsets(ofLengths lengths: [Int32]) -> [Int] {
    var offsets = [0]
    for length in lengths { offsets.append(offsets[offsets.count - 1] + Int(length)) }
    return offsets
  }

  /// Of each row.
  var lengths: [Int32] { zip(offsets, offsets.dropFirst()).map { Int32($1 - $0) } }

  /// The columns of a row.
  func columns(ofRow row: Int) -> ArraySlice<Int32> { columns[offsets[row]..<offsets[row + 1]] }

  /// The largest weights of each row, `limit` at most, columns ascending as they must be here; of equal ones the
  /// smaller columns.
  func best(_ limit: Int) -> WeightedLists {
    if zip(offsets, offsets.dropFirst()).allSatisfy({ $1 - $0 <= limit }) { return self }
    var lengths: [Int32] = []
    var entries: [Int] = []
    entries.reserveCapacity(columns.count)
    for (start, end) in zip(offsets, offsets.dropFirst()) {
      if end - start <= limit {
        entries += start..<end
      } else {
        entries += (start..<end).sorted { (weights[$1], $0) < (weights[$0], $1) }.prefix(limit)
          .sorted()
      }
      lengths.append(Int32(min(limit, end - start)))
    }
    return WeightedLists(
      lengths: lengths, columns: entries.map { columns[$0] }, weights: entries.map { weights[$0] })
  }
}
