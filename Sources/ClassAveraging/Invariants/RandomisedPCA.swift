import COpenBLAS
import Execution
import LinearAlgebra
import MPI

/// Two real matrices with the same rows and columns, made piece by piece and never stored: rows (images)
/// are shared among ranks, columns (features) are many.
protocol PairedMatrix {
  /// The number of rows on this rank.
  var count: Int { get }
  /// The number of columns, the same on every rank.
  var columnCount: Int { get }

  /// Computes some rows, in groups of 16, of some columns of both matrices.
  ///
  /// Rows 16 g ..< 16 g + 16 of column c go to `[(c - columns.lowerBound) * stride + g -
  /// groups.lowerBound]`; rows from `count` on are zero.
  func fill(
    groups: Range<Int>, columns: Range<Int>, first: UnsafeMutablePointer<SIMD16<Float>>,
    second: UnsafeMutablePointer<SIMD16<Float>>, stride: Int)
}

/// The leading principal components of one matrix.
struct PrincipalComponents {
  /// This rank's rows projected on the leading right singular vectors, U S: row-major, rows x
  /// singularValues.count.
  let scores: [Float]
  /// Descending.
  let singularValues: [Double]
}

/// Principal components by a randomised range finder (Halko, Martinsson, Tropp 2011, algorithms 4.4 and
/// 5.1), separately for both matrices of a pair.
///
/// Each pass makes the matrix once, tile by tile in cache, and spends its time in single-precision
/// products. The tall factor is orthonormalised by a distributed QR in double precision.
struct RandomisedPCA {
  /// The dimension of the random subspace: the components wanted and some tens more.
  var sketchSize: Int
  /// How often the matrix is made, at least 2 (no power iteration); each pass more multiplies the
  /// subspace once more by X or X^T and sharpens it (Bjarkason 2019; 4 is one power iteration of Halko).
  var passCount: Int
  /// Whether the mean row is subtracted.
  var isCentred: Bool
  /// Fixes the random subspace.
  var seed: UInt64

  /// Rows of a tile in groups of 16, and columns of a tile: the pair of tiles stays in the level 2 and 3
  /// caches, and the products are large enough to run at full speed.
  private static let tileGroups = 32
  private static let tileColumns = 512

  /// The `componentCounts` leading components of either matrix (fewer if the matrix is smaller).
  /// Collective. `advance` is called often with the share of the work done, 0 to 1.
  ///
  /// - Throws: `ScaLAPACKError`, `MPIError`, and what `progress` throws.
  func components<Matrix: PairedMatrix>(
    of matrix: Matrix, componentCounts: (Int, Int), over communicator: Communicator,
    progress: ((Double) throws -> Void)? = nil
  ) throws -> (first: PrincipalComponents, second: PrincipalComponents) {
    let columns = matrix.columnCount
    let total = try communicator.allreduce(matrix.count)
    let width = min(sketchSize, isCentred ? total - 1 : total, columns)
    precondition(width > 0, "principal components of an empty matrix")
    let rows = (matrix.count + 15) / 16 * 16
    precondition(passCount >= 2, "at least two passes")
    let counter = PassCounter(passes: passCount, report: progress)

    // The passes alternate and the last one projects; the first starts from random signs on its side.
    var right: [[Float]] = [[], []]
    var left: [[Float]] = [[], []]
    if passCount % 2 == 0 {
      let signs = Self.randomSigns(rows: 0..<columns, width: width, seed: seed)
      right = [signs, signs]
    } else {
      let start = try communicator.allgather([matrix.count]).prefix(communicator.rank).reduce(0, +)
      let signs = Self.randomSigns(rows: start..<start + rows, width: width, seed: seed)
      left = [signs, signs].map { Self.transposed($0, rows: width, columns: rows) }
    }
    for pass in (0..<passCount).reversed() {
      if pass % 2 == 1 {
        try multiply(matrix, by: right, width: width, into: &left, rows: rows, counter)
        for part in 0..<2 {
          try orthonormalise(
            &left[part], count: matrix.count, rows: rows, width: width, over: communicator)
        }
      } else {
        for part in 0..<2 { right[part] = [Float](repeating: 0, count: width * columns) }
        try project(matrix, on: left, width: width, into: &right, rows: rows, counter)
        for part in 0..<2 {
          try communicator.allreduce(&right[part])
          if pass > 0 {
            try orthonormaliseRows(&right[part], width: width, columns, over: communicator)
          }
        }
      }
    }
    return (
      try scores(left[0], right[0], rows, width, matrix.count, componentCounts.0, communicator),
      try scores(left[1], right[1], rows, width, matrix.count, componentCounts.1, communicator)
    )
  }

  /// left = X right^T; `right` is width x columns, `left` rows x width, both column-major.
  private func multiply<Matrix: PairedMatrix>(
    _ matrix: Matrix, by right: [[Float]], width: Int, into left: inout [[Float]], rows: Int,
    _ counter: PassCounter
  ) throws {
    for part in 0..<2 { left[part] = [Float](repeating: 0, count: rows * width) }
    try forEachTile(of: matrix, counter) { groups, range, tiles, stride in
      for part in 0..<2 {
        right[part].withUnsafeBufferPointer { right in
          left[part].withUnsafeMutableBufferPointer { left in
            cblas_sgemm(
              CblasColMajor, CblasNoTrans, CblasTrans, Int32(16 * groups.count), Int32(width),
              Int32(range.count), 1, tiles[part], Int32(stride),
              right.baseAddress! + range.lowerBound * width, Int32(width), 1,
              left.baseAddress! + 16 * groups.lowerBound, Int32(rows))
          }
        }
      }
    }
  }

  /// right += left^T X over this rank's rows.
  private func project<Matrix: PairedMatrix>(
    _ matrix: Matrix, on left: [[Float]], width: Int, into right: inout [[Float]], rows: Int,
    _ counter: PassCounter
  ) throws {
    try forEachTile(of: matrix, counter) { groups, range, tiles, stride in
      for part in 0..<2 {
        left[part].withUnsafeBufferPointer { left in
          right[part].withUnsafeMutableBufferPointer { right in
            cblas_sgemm(
              CblasColMajor, CblasTrans, CblasNoTrans, Int32(width), Int32(range.count),
              Int32(16 * groups.count), 1, left.baseAddress! + 16 * groups.lowerBound, Int32(rows),
              tiles[part], Int32(stride), 1, right.baseAddress! + range.lowerBound * width,
              Int32(width))
          }
        }
      }
    }
  }

  /// Makes the matrix once; `body` gets the groups, the columns, both tiles and their leading dimension.
  private func forEachTile<Matrix: PairedMatrix>(
    of matrix: Matrix, _ counter: PassCounter,
    _ body: (Range<Int>, Range<Int>, [UnsafeMutablePointer<Float>], Int) -> Void
  ) throws {
    // One group more than the tile has: a power of two would map all columns to few cache sets.
    let stride = Self.tileGroups + 1
    let size = stride * Self.tileColumns
    let memory = UnsafeMutableBufferPointer<SIMD16<Float>>.allocate(capacity: 2 * size)
    defer { memory.deallocate() }
    let tiles = [memory.baseAddress!, memory.baseAddress! + size]
    let floats = tiles.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: Float.self) }
    let groupCount = (matrix.count + 15) / 16
    for start in Swift.stride(from: 0, to: groupCount, by: Self.tileGroups) {
      let groups = start..<min(start + Self.tileGroups, groupCount)
      for column in Swift.stride(from: 0, to: matrix.columnCount, by: Self.tileColumns) {
        let columns = column..<min(column + Self.tileColumns, matrix.columnCount)
        matrix.fill(
          groups: groups, columns: columns, first: tiles[0], second: tiles[1], stride: stride)
        body(groups, columns, floats, 16 * stride)
      }
      try counter.advance(to: Double(groups.upperBound) / Double(groupCount))
    }
    try counter.endPass()
  }

  /// Replaces this rank's rows of a tall matrix by those of an orthonormal basis of its columns.
  ///
  /// Centring X is the same as keeping the basis orthogonal to a column of ones, which therefore goes
  /// first into the factorisation and is left out afterwards: then Q^T X = Q^T (X - mean).
  private func orthonormalise(
    _ left: inout [Float], count: Int, rows: Int, width: Int, over communicator: Communicator
  ) throws {
    var block: [Double] = []
    block.reserveCapacity(count * (width + 1))
    if isCentred { block += repeatElement(1, count: count) }
    for column in 0..<width {
      block += left[column * rows..<column * rows + count].lazy.map(Double.init)
    }
    let first = isCentred ? 1 : 0
    let q = try DistributedQR(block, columns: width + first, over: communicator).q
    for column in 0..<width {
      for row in 0..<count {
        left[column * rows + row] = Float(q[(column + first) * count + row])
      }
    }
  }

  /// Replaces B (width x columns) by an orthonormal basis of its rows: without it a second product with
  /// X would lose the components that are weak in single precision.
  private func orthonormaliseRows(
    _ matrix: inout [Float], width: Int, _ columns: Int, over communicator: Communicator
  ) throws {
    let system = try DistributedEigensystem(
      Self.gramMatrix(matrix, width: width), order: width, over: communicator)
    let largest = system.values.last!
    var transform = [Float](repeating: 0, count: width * width)
    for (j, value) in system.values.enumerated() where value > 1e-12 * largest {
      for i in 0..<width {
        transform[j * width + i] = Float(system.vectors[j * width + i] / value.squareRoot())
      }
    }
    var piece = [Float](repeating: 0, count: width * Self.tileColumns)
    for column in Swift.stride(from: 0, to: columns, by: Self.tileColumns) {
      let count = min(Self.tileColumns, columns - column)
      matrix.withUnsafeMutableBufferPointer { matrix in
        let target = matrix.baseAddress! + column * width
        cblas_sgemm(
          CblasColMajor, CblasTrans, CblasNoTrans, Int32(width), Int32(count), Int32(width), 1,
          transform, Int32(width), target, Int32(width), 0, &piece, Int32(width))
        target.update(from: piece, count: count * width)
      }
    }
  }

  /// Q U S for B = U S V^T, from the eigenvectors U of B B^T.
  private func scores(
    _ left: [Float], _ right: [Float], _ rows: Int, _ width: Int, _ count: Int, _ wanted: Int,
    _ communicator: Communicator
  ) throws -> PrincipalComponents {
    let system = try DistributedEigensystem(
      Self.gramMatrix(right, width: width), order: width, over: communicator)
    let kept = min(wanted, width)
    let values = system.values.suffix(kept).reversed().map { max($0, 0).squareRoot() }
    var rotation = [Float](repeating: 0, count: width * kept)
    for (component, value) in values.enumerated() {
      let source = (width - 1 - component) * width
      for i in 0..<width {
        rotation[component * width + i] = Float(system.vectors[source + i] * value)
      }
    }
    // Column-major kept x rows is row-major rows x kept.
    var scores = [Float](repeating: 0, count: rows * kept)
    if rows > 0 && kept > 0 {
      cblas_sgemm(
        CblasColMajor, CblasTrans, CblasTrans, Int32(kept), Int32(rows), Int32(width), 1, rotation,
        Int32(width), left, Int32(rows), 0, &scores, Int32(kept))
    }
    return PrincipalComponents(scores: Array(scores.prefix(count * kept)), singularValues: values)
  }

  /// B B^T in double precision; B is width x columns, column-major. Only the lower triangle is filled.
  private static func gramMatrix(_ matrix: [Float], width: Int) -> [Double] {
    var gram = [Double](repeating: 0, count: width * width)
    let columns = matrix.count / width
    for column in Swift.stride(from: 0, to: columns, by: tileColumns) {
      let count = min(tileColumns, columns - column)
      let piece = matrix[column * width..<(column + count) * width].map(Double.init)
      cblas_dsyrk(
        CblasColMajor, CblasLower, CblasNoTrans, Int32(width), Int32(count), 1, piece, Int32(width),
        1, &gram, Int32(width))
    }
    return gram
  }

  /// Independent signs +1 and -1, width x rows.count, column-major; they depend on the row's number only.
  private static func randomSigns(rows: Range<Int>, width: Int, seed: UInt64) -> [Float] {
    [Float](unsafeUninitializedCapacity: rows.count * width) { buffer, initialised in
      let words = (width + 63) / 64
      for (offset, row) in zip(stride(from: 0, to: Int.max, by: width), rows) {
        for word in 0..<words {
          var bits = CounterRandom.bits(seed: seed, counter: UInt64(row * words + word))
          for index in 64 * word..<min(64 * word + 64, width) {
            buffer[offset + index] = bits & 1 == 0 ? 1 : -1
            bits >>= 1
          }
        }
      }
      initialised = rows.count * width
    }
  }

  /// Columns become rows; `matrix` is rows x columns, column-major.
  private static func transposed(_ matrix: [Float], rows: Int, columns: Int) -> [Float] {
    (0..<rows).flatMap { row in (0..<columns).map { matrix[$0 * rows + row] } }
  }
}

/// Turns the progress of single passes into that of the whole.
private final class PassCounter {
  private let passes: Int
  private let report: ((Double) throws -> Void)?
  private var done = 0

  init(passes: Int, report: ((Double) throws -> Void)?) {
    self.passes = passes
    self.report = report
  }

  func advance(to share: Double) throws {
    try report?((Double(done) + min(share, 1)) / Double(passes))
  }

  func endPass() throws {
    done += 1
    try advance(to: 0)
  }
}
