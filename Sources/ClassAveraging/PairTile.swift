import Foundation

/// Compares rows of one block with lanes of another and keeps the best candidates of each image: what one
/// thread does in the all-pairs search.
///
/// Pairs whose upper bound reaches neither image's list are done with; the others are queued, 16 at a time,
/// for the search over rotations. A pair is scored the same whichever pairs are scored with it.
final class PairTile {
  /// Counts for the report.
  struct Counts {
    var pairs = 0
    var searched = 0
  }

  private let model: PairModel
  private let kernel: PairKernel
  private let rotations: RotationSearch
  private let isPruning: Bool
  private(set) var counts = Counts()
  private var weighted: [Float] = []
  private var rates: [Float] = []
  private var slack: [Float] = []
  private var spectra: [SIMD16<Float>]
  private var queue: [(row: Int, column: Int, offset: Float)] = []

  /// Rows of a tile: their weighted coefficients stay in the second-level cache.
  static let rowsPerTile = 64

  init(model: PairModel, isPruning: Bool) {
    self.model = model
    self.isPruning = isPruning
    kernel = PairKernel(offsets: model.layout.offsets)
    rotations = RotationSearch(layout: model.layout)
    spectra = .init(repeating: .zero, count: PairKernel.rows * kernel.spectrumLength)
    queue.reserveCapacity(16)
  }

  /// One side of the comparison: its images, their self terms for every group, [row * groups + h], and the
  /// lists that its images fill.
  struct Side {
    let block: PairBlock
    let selfTerms: [Float]
    /// Mean |b|^2 of the components over the block's images.
    let moments: [Float]
  }

  /// Compares rows `rows` (of one group) of `first` with all lanes of `second`; with `isTriangle` the two
  /// are the same block and only columns after a row count.
  func compare(
    _ rows: PairBlock.Run, of first: Side, with lanes: PairLanes, of second: Side,
    isTriangle: Bool, lists: TileLists
  ) {
    let width = first.block.width
    var preparedFor = -1
    for (at, group) in lanes.groups.enumerated() {
      if isTriangle && group.firstRow + group.count - 1 <= rows.rows.lowerBound { continue }
      if group.group != preparedFor {
        prepare(rows, of: first, against: group.group, moments: second.moments)
        preparedFor = group.group
      }
      let pair = rows.group * model.groupCount + group.group
      var columnOffsets = SIMD16<Float>(repeating: -.infinity)
      var columnFloors = SIMD16<Float>(repeating: .infinity)
      for lane in 0..<group.count {
        let column = group.firstRow + lane
        columnOffsets[lane] =
          model.constants[pair] + second.selfTerms[column * model.groupCount + rows.group]
        columnFloors[lane] = floor(column, second, lists.columns)
      }
      for start in stride(from: 0, to: rows.rows.count, by: PairKernel.rows) {
        let bounds = lanes.values.withUnsafeBufferPointer { lanes in
          weighted.withUnsafeBufferPointer { weighted in
            rates.withUnsafeBufferPointer { rates in
              spectra.withUnsafeMutableBufferPointer { spectra in
                kernel.correlate(
                  first: weighted.baseAddress! + start * width, stride: width,
                  rates: rates.baseAddress! + start * model.layout.blockCount,
                  rateStride: model.layout.blockCount,
                  second: lanes.baseAddress! + at * width, spectra: spectra.baseAddress!)
              }
            }
          }
        }
        for quarter in 0..<min(PairKernel.rows, rows.rows.count - start) {
          let row = rows.rows.lowerBound + start + quarter
          let bound =
            quarter == 0
            ? bounds.0 : quarter == 1 ? bounds.1 : quarter == 2 ? bounds.2 : bounds.3
          let selfTerm = first.selfTerms[row * model.groupCount + group.group]
          let floors = pointwiseMin(
            columnFloors, SIMD16(repeating: floor(row, first, lists.rows)))
          let reach = bound + SIMD16(repeating: slack[start + quarter] + selfTerm) + columnOffsets
          let hopeful = isPruning ? reach .>= floors : columnOffsets .> -.infinity
          counts.pairs += group.count
          if !any(hopeful) { continue }
          for lane in 0..<group.count where hopeful[lane] {
            let column = group.firstRow + lane
            if isTriangle && column <= row { continue }
            enqueue(
              row: row, column: column, lane: lane, quarter: quarter,
              offset: columnOffsets[lane] + selfTerm)
            if queue.count == 16 { flush(first, second, lists) }
          }
        }
      }
    }
    flush(first, second, lists)
  }

  /// What a candidate of an image must reach: the worst of its list, or what its owner knows already.
  private func floor(_ row: Int, _ side: Side, _ lists: BestCandidates) -> Float {
    max(lists.threshold(row: row), side.block.values[row * side.block.stride + side.block.width])
  }

  /// Weights the tile's rows for comparison with group `group`, and finds each row's typical |c_k|.
  private func prepare(
    _ run: PairBlock.Run, of side: Side, against group: Int, moments: [Float]
  ) {
    let width = side.block.width
    let padded =
      (run.rows.count + PairKernel.rows - 1) / PairKernel.rows * PairKernel.rows
    let blocks = model.layout.blockCount
    weighted = .init(repeating: 0, count: padded * width)
    rates = .init(repeating: 0, count: padded * blocks)
    slack = .init(repeating: 0, count: padded)
    side.block.values.withUnsafeBufferPointer { values in
      weighted.withUnsafeMutableBufferPointer { weighted in
        for (at, row) in run.rows.enumerated() {
          model.weighted(
            values.baseAddress! + row * side.block.stride, groups: run.group, group,
            into: weighted.baseAddress! + at * width)
        }
      }
    }
    for at in run.rows.indices.map({ $0 - run.rows.lowerBound }) {
      for block in 0..<blocks {
        var square: Float = 0
        for component in model.layout.components(ofBlock: block) {
          let (re, im) = (
            weighted[at * width + 2 * component], weighted[at * width + 2 * component + 1]
          )
          square += (re * re + im * im) * moments[component]
        }
        let typical = max(square.squareRoot(), 1e-12)
        rates[at * blocks + block] = 0.5 / typical
        // A little more than the bound, for rounding.
        slack[at] += typical * 0.5 * (1 + 1e-4)
      }
      slack[at] += 1e-3
    }
  }

  private func enqueue(row: Int, column: Int, lane: Int, quarter: Int, offset: Float) {
    let to = queue.count
    let length = kernel.spectrumLength
    for i in 0..<length { rotations.spectra[i][to] = spectra[quarter * length + i][lane] }
    queue.append((row, column, offset))
  }

  /// Searches the queued pairs' rotations and offers them to both images' lists.
  private func flush(_ first: Side, _ second: Side, _ lists: TileLists) {
    if queue.isEmpty { return }
    counts.searched += queue.count
    let peaks = rotations.peaks(of: queue.count)
    for (entry, peak) in zip(queue, peaks) {
      let score = peak.value + entry.offset
      lists.rows.offer(
        row: entry.row, index: second.block.index(entry.column), score: score,
        reflected: peak.reflected)
      lists.columns.offer(
        row: entry.column, index: first.block.index(entry.row), score: score,
        reflected: peak.reflected)
    }
    queue.removeAll(keepingCapacity: true)
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
