/// Sums rows of weights and finds the columns of the largest sums. One instance a thread.
///
/// There may be several kinds of rows, each with sums of its own; columns are then found by what they have of all.
final class ListSum {
  private let columns: Int
  private let kinds: Int
  /// [kind][column], columns filled up to whole blocks; zero stands for a column without any.
  private var sums: [Float]
  /// Blocks of columns in which there may be some.
  private var isTouched: [Bool]

  private static let block = 64
  private typealias Vector = SIMD16<Float>

  init(columns: Int, kinds: Int) {
    let blocks = (columns + Self.block - 1) / Self.block
    self.columns = blocks * Self.block
    self.kinds = kinds
    sums = .init(repeating: 0, count: kinds * self.columns)
    isTouched = .init(repeating: false, count: blocks)
  }

  /// Adds `weight` times row `row` of `lists` to the sums of a kind.
  func add(_ lists: NodeLists, row: Int, weight: Float, kind: Int) {
    precondition(kind < kinds)
    lists.withRow(row) { columns, weights in
      sums.withUnsafeMutableBufferPointer { sums in
        isTouched.withUnsafeMutableBufferPointer { isTouched in
          let sums = sums.baseAddress! + kind * self.columns
          for entry in columns.indices {
            let column = Int(columns[entry])
            precondition(column < self.columns)
            sums[column] += max(weight * weights[entry], .leastNormalMagnitude)
            isTouched[column / Self.block] = true
          }
        }
      }
    }
  }

  /// The columns of the largest sums, over all kinds, without `excluded`, ascending, and for each of them its sums, one
  /// kind after the other. Of equal sums the smaller column's. All are zero afterwards.
  func takeBest(_ count: Int, excluding excluded: Int) -> (columns: [Int32], sums: [Float]) {
    var best = BestCandidates(rows: 1, capacity: count)
    sums.withUnsafeMutableBytes { bytes in
      for block in isTouched.indices where isTouched[block] {
        for start in stride(from: block * Self.block, to: (block + 1) * Self.block, by: 16) {
          var total = Vector.zero
          for kind in 0..<kinds {
            total += bytes.loadUnaligned(
              fromByteOffset: 4 * (kind * columns + start), as: Vector.self)
          }
          let threshold = max(best.threshold(row: 0), .leastNonzeroMagnitude)
          let isGood = total .>= Vector(repeating: threshold)
          if !any(isGood) { continue }
          for lane in 0..<16 where isGood[lane] && start + lane != excluded {
            best.offer(row: 0, index: Int32(start + lane), score: total[lane], reflected: false)
          }
        }
      }
    }
    let chosen = best.indices.filter { $0 >= 0 }.sorted()
    let found = chosen.flatMap { column in
      (0..<kinds).map { sums[$0 * columns + Int(column)] }
    }
    clear()
    return (chosen, found)
  }

  private func clear() {
    sums.withUnsafeMutableBufferPointer { sums in
      for block in isTouched.indices where isTouched[block] {
        isTouched[block] = false
        for kind in 0..<kinds {
          let start = kind * columns + block * Self.block
          for column in start..<start + Self.block { sums[column] = 0 }
        }
      }
    }
  }
}
