/// Compares rows of one block with lanes of another and keeps the best candidates of each image: what one
/// thread does in the all-pairs search.
///
/// A pair whose upper bound reaches neither image's list is done with after the grid of angles; the bound
/// is that of a parabola through three grid values, whose peak lies above the middle one by at most an
/// eighth of the values' range. A pair is scored the same whichever pairs are scored with it.
final class PairTile {
  private let model: PairModel
  private let kernel: PairKernel
  private let isPruning: Bool
  private var weighted: [Float] = []
  private let products: UnsafeMutablePointer<SIMD16<Float>>
  private let grid: UnsafeMutablePointer<SIMD16<Float>>

  /// Rows of a tile: their weighted coefficients stay in the second-level cache.
  static let rowsPerTile = 64

  init(model: PairModel, isPruning: Bool) {
    self.model = model
    self.isPruning = isPruning
    kernel = PairKernel(layout: model.layout)
    products = .allocate(capacity: PairKernel.rows * kernel.productLength)
    grid = .allocate(capacity: 2 * kernel.angles)
  }

  deinit {
    products.deallocate()
    grid.deallocate()
  }

  /// One side of the comparison: its images, and their self terms for every group, [row * groups + h].
  struct Side {
    let block: PairBlock
    let selfTerms: [Float]
  }

  /// Compares rows `rows` (of one group) of `first` with all lanes of `second`; with `isTriangle` the two
  /// are the same block and only columns after a row count. Lanes all of whose pairs with the rows are
  /// among `settled` (rows and columns as images and partners) are left out.
  func compare(
    _ rows: PairBlock.Run, of first: Side, with lanes: PairLanes, of second: Side,
    isTriangle: Bool, settled: [PairClaim] = [], lists: TileLists
  ) {
    let width = first.block.width
    let groupCount = model.groupCount
    var preparedFor = -1
    for (at, group) in lanes.groups.enumerated() {
      if isTriangle && group.firstRow + group.count - 1 <= rows.rows.lowerBound { continue }
      if !settled.isEmpty {
        let columns = group.firstRow..<group.firstRow + group.count
        let part = PairClaim(images: rows.rows, partners: columns)
        if settled.contains(where: { $0.contains(part) }) { continue }
      }
      if group.group != preparedFor {
        prepare(rows, of: first, against: group.group)
        preparedFor = group.group
      }
      let pair = rows.group * groupCount + group.group
      var columnOffsets = SIMD16<Float>(repeating: -.infinity)
      var columnFloors = SIMD16<Float>(repeating: .infinity)
      for lane in 0..<group.count {
        let column = group.firstRow + lane
        columnOffsets[lane] =
          model.constants[pair] + second.selfTerms[column * groupCount + rows.group]
        columnFloors[lane] = floor(column, second, lists.columns)
      }
      for start in stride(from: 0, to: rows.rows.count, by: PairKernel.rows) {
        lanes.values.withUnsafeBufferPointer { lanes in
          weighted.withUnsafeBufferPointer { weighted in
            kernel.multiply(
              first: weighted.baseAddress! + start * width, stride: width,
              second: lanes.baseAddress! + at * width, products: products)
          }
        }
        for quarter in 0..<min(PairKernel.rows, rows.rows.count - start) {
          let row = rows.rows.lowerBound + start + quarter
          let (largest, smallest) = kernel.synthesize(
            products: products + quarter * kernel.productLength, grid: grid)
          let offsets =
            columnOffsets + SIMD16(repeating: first.selfTerms[row * groupCount + group.group])
          let floors = smaller(
            columnFloors, SIMD16(repeating: floor(row, first, lists.rows)))
          let reach = largest + (largest - smallest) * PairKernel.peakMargin + offsets
          if isPruning && !any(reach .>= floors) { continue }
          let (value, reflected) = kernel.peaks(of: grid)
          let scores = value + offsets
          let hopeful = isPruning ? scores .>= floors : offsets .> -.infinity
          if !any(hopeful) { continue }
          for lane in 0..<group.count where hopeful[lane] {
            let column = group.firstRow + lane
            if isTriangle && column <= row { continue }
            lists.rows.offer(
              row: row, index: second.block.index(column), score: scores[lane],
              reflected: reflected[lane])
            lists.columns.offer(
              row: column, index: first.block.index(row), score: scores[lane],
              reflected: reflected[lane])
            columnFloors[lane] = floor(column, second, lists.columns)
          }
        }
      }
    }
  }

  /// What a candidate of an image must reach: the worst of its list, or what its owner knows already.
  private func floor(_ row: Int, _ side: Side, _ lists: BestCandidates) -> Float {
    max(lists.threshold(row: row), side.block.values[row * side.block.stride + side.block.width])
  }

  /// Weights the tile's rows for comparison with group `group`.
  private func prepare(_ run: PairBlock.Run, of side: Side, against group: Int) {
    let width = side.block.width
    let padded = (run.rows.count + PairKernel.rows - 1) / PairKernel.rows * PairKernel.rows
    weighted = .init(repeating: 0, count: padded * width)
    side.block.values.withUnsafeBufferPointer { values in
      weighted.withUnsafeMutableBufferPointer { weighted in
        for (at, row) in run.rows.enumerated() {
          model.weighted(
            values.baseAddress! + row * side.block.stride, groups: run.group, group,
            into: weighted.baseAddress! + at * width)
        }
      }
    }
  }
}

/// What one thread finds for the images of both sides.
final class TileLists {
  var rows: BestCandidates
  var columns: BestCandidates

  init(rows: BestCandidates, columns: BestCandidates) {
    self.rows = rows
    self.columns = columns
  }
}
