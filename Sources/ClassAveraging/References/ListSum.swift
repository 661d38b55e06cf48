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
    for kind in 0..<kinds { sums[kind * columns + excluded] = 0 }
    var best = LargestSums(count: count)
    sums.withUnsafeBytes { bytes in
      for block in isTouched.indices where isTouched[block] {
        for start in stride(from: block * Self.block, to: (block + 1) * Self.block, by: 16) {
          var total = Vector.zero
          for kind in 0..<kinds {
            total += bytes.loadUnaligned(
              fromByteOffset: 4 * (kind * columns + start), as: Vector.self)
          }
          let isGood = total .>= Vector(repeating: best.least)
          if !any(isGood) { continue }
          for lane in 0..<16 where isGood[lane] { best.add(total[lane], column: start + lane) }
        }
      }
    }
    let chosen = best.columns()
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

/// The largest of many sums, all of them positive, and their columns: twice as many as are wanted are collected, then
/// the smaller half is dropped.
private struct LargestSums {
  private let count: Int
  /// The bits of a sum, which are ordered like it, then those of its column, inverted: all differ.
  private var keys: [UInt64] = []
  /// Smaller sums need not be added.
  private(set) var least = Float.leastNonzeroMagnitude

  init(count: Int) {
    self.count = count
    keys.reserveCapacity(2 * count)
  }

  mutating func add(_ sum: Float, column: Int) {
    keys.append(UInt64(sum.bitPattern) << 32 | UInt64(~UInt32(column)))
    if keys.count >= 2 * count { dropSmallest() }
  }

  private mutating func dropSmallest() {
    keys.withUnsafeMutableBufferPointer { Self.putLargestFirst(count, in: $0) }
    keys.removeLast(keys.count - count)
    if let last = keys.last { least = Float(bitPattern: UInt32(last >> 32)) }
  }

  /// Ascending.
  mutating func columns() -> [Int32] {
    if keys.count > count { dropSmallest() }
    return keys.map { Int32(~UInt32(truncatingIfNeeded: $0)) }.sorted()
  }

  /// Puts the `count` largest keys first, the smallest of them last among these (Hoare 1961).
  private static func putLargestFirst(_ count: Int, in keys: UnsafeMutableBufferPointer<UInt64>) {
    var (low, high) = (0, keys.count - 1)
    while low < high {
      let pivot = keys[low + (high - low) / 2]
      var (left, right) = (low, high)
      while left <= right {
        while keys[left] > pivot { left += 1 }
        while keys[right] < pivot { right -= 1 }
        if left <= right {
          keys.swapAt(left, right)
          (left, right) = (left + 1, right - 1)
        }
      }
      if count - 1 <= right {
        high = right
      } else if count - 1 >= left {
        low = left
      } else {
        return
      }
    }
  }
}
