import Execution
import ImageModel
import LinearAlgebra

/// Compares rows of one block with another block and keeps the best candidates of each image: what one
/// thread does in the all-pairs search.
///
/// A pair whose upper bound reaches neither image's list is done with after the grid of angles; the bound
/// is that of a parabola through three grid values, whose peak lies above the middle one by at most an
/// eighth of the values' range. A pair is scored the same whichever pairs are scored with it.
final class PairTile {
  private let model: PairModel
  private let kernel: PairKernel
  private let isPruning: Bool
  /// The tile's rows, one after the other, and 16 of them side by side.
  private var weighted: [Float]
  private var weightedLanes: [SIMD16<Float>]
  private let products: UnsafeMutablePointer<SIMD16<Float>>
  private let grid: UnsafeMutablePointer<SIMD16<Float>>

  /// Rows of a tile: their weighted coefficients stay in the second-level cache.
  static let rowsPerTile = 64

  init(model: PairModel, isPruning: Bool) {
    self.model = model
    self.isPruning = isPruning
    kernel = PairKernel(layout: model.layout)
    let width = model.layout.componentCount * 2
    weighted = .init(repeating: 0, count: Self.rowsPerTile * width)
    weightedLanes = .init(repeating: .zero, count: width)
    products = .allocate(capacity: PairKernel.rows * kernel.productLength)
    grid = .allocate(capacity: 2 * kernel.angles)
  }

  deinit {
    products.deallocate()
    grid.deallocate()
  }

  /// One side of the comparison: its images, their self terms for the groups of the other side,
  /// [row * groups + h], and what a candidate of a row must exceed by what its owner knows already.
  struct Side {
    let block: PairBlock
    let selfTerms: [Float]
    var thresholds: [Float]

    /// - Parameters:
    ///   - others: the groups of the other side; nil for all.
    ///   - threshold: what every row's candidates must reach; none reaches infinity.
    init(
      _ block: PairBlock, model: PairModel, against others: [Int]? = nil,
      threshold: Float = -.infinity, threads: Int = 1
    ) {
      self.init(
        block, threshold: threshold,
        selfTerms: Self.selfTerms(
          of: block, 0..<block.laneGroupCount, model: model, against: others, threads: threads))
    }

    init(_ block: PairBlock, threshold: Float, selfTerms: [Float]) {
      self.block = block
      self.selfTerms = selfTerms
      thresholds = [Float](repeating: threshold, count: block.count)
    }

    /// The self terms of some lane groups; zero for groups that are not among the others.
    static func selfTerms(
      of block: PairBlock, _ laneGroups: Range<Int>, model: PairModel, against others: [Int]? = nil,
      threads: Int
    ) -> [Float] {
      let groupCount = model.groupCount
      let others = others ?? Array(0..<groupCount)
      var terms = [Float](repeating: 0, count: 16 * laneGroups.count * groupCount)
      WorkerPool(threads: threads, items: laneGroups.count)
        .forEachRow(0..<laneGroups.count, of: &terms, width: 16 * groupCount) { _, at, terms in
          let (own, g) = (laneGroups.lowerBound + at, block.group(laneGroups.lowerBound + at))
          for h in others where model.compares(g, h) {
            let term = model.selfTerm(of: block.coefficients(own), groups: g, h)
            for lane in 0..<16 { terms[lane * groupCount + h] = term[lane] }
          }
        }
      return terms
    }
  }

  /// Compares rows `rows` (of one group) of `first` with all of `second`; with `isTriangle` the two are the
  /// same block and only columns after a row count; or one of some equal parts of that. Lane groups all of whose pairs with the rows are among
  /// `comparedBefore` (rows as images, columns as partners) are left out.
  func compare(
    _ rows: PairBlock.Run, of first: Side, with second: Side, part: Int = 0, of parts: Int = 1,
    isTriangle: Bool, comparedBefore: [ComparedRectangle] = [], lists: TileLists
  ) {
    let width = first.block.width
    let groupCount = model.groupCount
    var preparedFor = -1
    let begin = isTriangle ? rows.rows.lowerBound / 16 : 0
    let laneGroups = second.block.laneGroupCount - begin
    for at in begin + laneGroups * part / parts..<begin + laneGroups * (part + 1) / parts {
      let firstColumn = at * 16
      if !comparedBefore.isEmpty {
        let part = ComparedRectangle(images: rows.rows, partners: firstColumn..<firstColumn + 16)
        if comparedBefore.contains(where: { $0.contains(part) }) { continue }
      }
      let group = second.block.group(at)
      if group != preparedFor {
        prepare(rows, of: first, against: group)
        preparedFor = group
      }
      let pair = rows.group * groupCount + group
      var columnOffsets = SIMD16<Float>(repeating: -.infinity)
      var columnFloors = SIMD16<Float>(repeating: .infinity)
      for lane in 0..<16 where second.block.index(firstColumn + lane) >= 0 {
        let column = firstColumn + lane
        columnOffsets[lane] =
          model.constants[pair] + second.selfTerms[column * groupCount + rows.group]
        columnFloors[lane] = columnFloor(column, second, lists)
      }
      let lanes = second.block.coefficients(at)
      for start in stride(from: 0, to: rows.rows.count, by: PairKernel.rows) {
        if first.block.index(rows.rows.lowerBound + start) < 0 { break }
        weighted.withUnsafeBufferPointer { weighted in
          kernel.multiply(
            first: weighted.baseAddress! + start * width, stride: width, second: lanes,
            products: products)
        }
        for quarter in 0..<PairKernel.rows {
          let row = rows.rows.lowerBound + start + quarter
          if first.block.index(row) < 0 { break }
          let (largest, smallest) = kernel.synthesize(
            products: products + quarter * kernel.productLength, grid: grid)
          let offsets =
            columnOffsets + SIMD16(repeating: first.selfTerms[row * groupCount + group])
          let rowFloor = max(lists.rows.threshold(row: row), first.thresholds[row])
          let floors = smaller(columnFloors, SIMD16(repeating: rowFloor))
          let reach = largest + (largest - smallest) * PairKernel.peakMargin + offsets
          if isPruning && !any(reach .>= floors) { continue }
          let (value, reflected) = kernel.peaks(of: grid)
          let scores = value + offsets
          let hopeful = isPruning ? scores .>= floors : offsets .> -.infinity
          if !any(hopeful) { continue }
          for lane in 0..<16 where hopeful[lane] {
            let column = firstColumn + lane
            if isTriangle && column <= row { continue }
            lists.rows.offer(
              row: row, index: second.block.index(column), score: scores[lane],
              reflected: reflected[lane])
            if !lists.hasColumns { continue }
            lists.columns.offer(
              row: column, index: first.block.index(row), score: scores[lane],
              reflected: reflected[lane])
            columnFloors[lane] = columnFloor(column, second, lists)
          }
        }
      }
    }
  }

  /// What a candidate of a column must reach: the worst of its list, or what its owner knows already.
  private func columnFloor(_ column: Int, _ side: Side, _ lists: TileLists) -> Float {
    lists.hasColumns
      ? max(lists.columns.threshold(row: column), side.thresholds[column]) : .infinity
  }

  /// Weights the tile's rows for comparison with group `group`.
  private func prepare(_ run: PairBlock.Run, of side: Side, against group: Int) {
    let width = side.block.width
    for first in stride(from: run.rows.lowerBound, to: run.rows.upperBound, by: 16) {
      model.weighted(
        side.block.coefficients(first / 16), groups: run.group, group, into: &weightedLanes)
      weighted.withUnsafeMutableBufferPointer { weighted in
        weightedLanes.withUnsafeBufferPointer { lanes in
          for lane in 0..<16 {
            let target = weighted.baseAddress! + (first - run.rows.lowerBound + lane) * width
            lanes.baseAddress!.copyLane(lane, to: target, count: width)
          }
        }
      }
    }
  }
}

/// What one thread finds for the images of both sides, or of the rows alone.
final class TileLists {
  var rows: BestCandidates
  var columns: BestCandidates
  let hasColumns: Bool

  init(rows: BestCandidates, columns: BestCandidates? = nil) {
    self.rows = rows
    self.columns = columns ?? BestCandidates(rows: 0, capacity: 0)
    hasColumns = columns != nil
  }
}
