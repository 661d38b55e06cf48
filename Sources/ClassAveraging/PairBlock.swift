import MPI

/// Some images' statistics as the all-pairs search compares them: ordered by defocus group, so that the
/// images of a run share their matrices, and as they travel round the ring of ranks.
struct PairBlock {
  /// Floats of coefficients in a row: component by component, real and imaginary part side by side.
  let width: Int
  /// Rows of `stride` floats: the coefficients, the threshold that a candidate must exceed to enter the
  /// image's list, the bits of the group and of the image's global index.
  var values: [Float]

  static let extra = 3
  var stride: Int { width + Self.extra }
  var count: Int { values.count / stride }

  init(width: Int, values: [Float]) {
    self.width = width
    self.values = values
  }

  func group(_ row: Int) -> Int { Int(values[row * stride + width + 1].bitPattern) }
  func index(_ row: Int) -> Int32 {
    Int32(bitPattern: values[row * stride + width + 2].bitPattern)
  }
  var thresholds: [Float] {
    get { (0..<count).map { values[$0 * stride + width] } }
    set { for row in 0..<count { values[row * stride + width] = newValue[row] } }
  }

  /// This rank's part of all images in the order of (group, index): as many rows as its slice has, moved
  /// there by one exchange. Collective.
  static func sorted(_ rows: DistributedRows, groups: [Int32], on comm: Communicator) throws
    -> PairBlock
  {
    let order = groups.indices.sorted { (groups[$0], $0) < (groups[$1], $1) }
    let mine = order[rows.partition.range(of: comm.rank)].sorted().map { Int32($0) }
    let fetched = try rows.fetch(mine)
    let width = rows.width
    var place: [Int32: Int] = [:]
    for (at, image) in mine.enumerated() { place[image] = at }
    var values: [Float] = []
    values.reserveCapacity(mine.count * (width + extra))
    for image in order[rows.partition.range(of: comm.rank)] {
      let at = place[Int32(image)]! * width
      values += fetched[at..<at + width]
      values.append(-.infinity)
      values.append(Float(bitPattern: UInt32(bitPattern: groups[image])))
      values.append(Float(bitPattern: UInt32(image)))
    }
    return PairBlock(width: width, values: values)
  }

  /// Consecutive rows of one group.
  struct Run {
    var group: Int
    var rows: Range<Int>
  }

  var runs: [Run] {
    var runs: [Run] = []
    for row in 0..<count {
      let group = group(row)
      if runs.last?.group == group {
        runs[runs.count - 1].rows = runs.last!.rows.lowerBound..<row + 1
      } else {
        runs.append(Run(group: group, rows: row..<row + 1))
      }
    }
    return runs
  }
}

/// A block as the second side of the comparison: 16 images of one group side by side.
struct PairLanes {
  /// Sixteen consecutive rows of one group, or fewer at a run's end.
  struct Group {
    var group: Int
    var firstRow: Int
    var count: Int
  }

  let groups: [Group]
  /// [lane group][component * 2 + part][lane].
  let values: [SIMD16<Float>]

  init(_ block: PairBlock) {
    var groups: [Group] = []
    for run in block.runs {
      for first in stride(from: run.rows.lowerBound, to: run.rows.upperBound, by: 16) {
        groups.append(
          Group(
            group: run.group, firstRow: first, count: min(16, run.rows.upperBound - first)))
      }
    }
    var values = [SIMD16<Float>](repeating: .zero, count: groups.count * block.width)
    for (at, group) in groups.enumerated() {
      for lane in 0..<group.count {
        let row = (group.firstRow + lane) * block.stride
        for i in 0..<block.width { values[at * block.width + i][lane] = block.values[row + i] }
      }
    }
    self.groups = groups
    self.values = values
  }
}
