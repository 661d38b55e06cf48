/// Sparse rows of weights: row r has the columns `columns[offsets[r]..<offsets[r + 1]]`.
struct WeightedLists {
  private(set) var offsets: [Int]
  private(set) var columns: [Int32]
  private(set) var weights: [Float]

  /// - Parameter entries: called twice, with a function to be called for each (row, column, weight), in the
  ///   same order both times.
  init(rows: Int, entries: ((Int, Int32, Float) -> Void) -> Void) {
    var counts = [Int](repeating: 0, count: rows + 1)
    entries { row, _, _ in counts[row + 1] += 1 }
    for row in 0..<rows { counts[row + 1] += counts[row] }
    offsets = counts
    columns = .init(repeating: 0, count: counts[rows])
    weights = .init(repeating: 0, count: counts[rows])
    var next = counts
    entries { row, column, weight in
      columns[next[row]] = column
      weights[next[row]] = weight
      next[row] += 1
    }
  }

  /// Keeps the `limit` largest weights of each row, ties to the entry that came first.
  mutating func cut(to limit: Int) {
    var end = 0
    for row in 0..<offsets.count - 1 {
      let entries = offsets[row]..<offsets[row + 1]
      offsets[row] = end
      var kept = Array(entries)
      if kept.count > limit {
        kept.sort { (weights[$1], $0) < (weights[$0], $1) }
        kept = kept.prefix(limit).sorted()
      }
      for entry in kept {
        columns[end] = columns[entry]
        weights[end] = weights[entry]
        end += 1
      }
    }
    offsets[offsets.count - 1] = end
    columns.removeLast(columns.count - end)
    weights.removeLast(weights.count - end)
  }

  /// Sums products of sparse rows and keeps the best: what one thread needs.
  final class Accumulator {
    private var sums: [Float]
    private var touched: [Int32] = []

    init(columns: Int) { sums = .init(repeating: 0, count: columns) }

    /// Adds `weight` times row `row` of `lists`.
    func add(_ lists: WeightedLists, row: Int, weight: Float) {
      lists.columns.withUnsafeBufferPointer { columns in
        lists.weights.withUnsafeBufferPointer { weights in
          sums.withUnsafeMutableBufferPointer { sums in
            for entry in lists.offsets[row]..<lists.offsets[row + 1] {
              let column = Int(columns[entry])
              if sums[column] == 0 { touched.append(columns[entry]) }
              // Never back to zero, which marks what has not been touched.
              sums[column] += max(weight * weights[entry], .leastNormalMagnitude)
            }
          }
        }
      }
    }

    /// The `count` columns of the largest sums, without `excluded`, ascending by column, then -1 where there are fewer;
    /// ties go to the smaller column. Empties the sums.
    func takeBest(_ count: Int, excluding excluded: Int32, into result: inout [Int32]) {
      var best = BestCandidates(rows: 1, capacity: count)
      for column in touched where column != excluded {
        let sum = sums[Int(column)]
        if sum >= best.threshold(row: 0) {
          best.offer(row: 0, index: column, score: sum, reflected: false)
        }
      }
      for column in touched { sums[Int(column)] = 0 }
      touched.removeAll(keepingCapacity: true)
      let found = best.indices.filter { $0 >= 0 }.sorted()
      result += found
      result += repeatElement(-1, count: count - found.count)
    }
  }
}
