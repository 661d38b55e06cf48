import CScaLAPACK
import MPI

/// Eigenvalues and eigenvectors of a symmetric matrix, computed by several ranks together.
public struct DistributedEigensystem: Sendable {
  /// Ascending.
  public let values: [Double]
  /// Column-major, order x order, column j belongs to `values[j]`; the same bits on every rank.
  public let vectors: [Double]

  /// Solves A V = V diag(values) by divide and conquer (ScaLAPACK `pdsyevd`) on a 1 x p grid of
  /// block columns, the fastest shape for small p. Collective.
  ///
  /// - Parameters:
  ///   - matrix: A, column-major, order x order, the same on every rank; its lower triangle is read.
  ///   - order: rows of A.
  ///   - communicator: the ranks that take part.
  /// - Throws: `ScaLAPACKError`, `MPIError`.
  public init(_ matrix: [Double], order: Int, over communicator: Communicator) throws {
    precondition(order > 0 && matrix.count == order * order, "a square matrix")
    let block = 32
    let ranks = min(communicator.size, (order + block - 1) / block)
    let grid = ProcessGrid(rows: 1, columns: ranks, over: communicator)
    var values = [Double](repeating: 0, count: order)
    var vectors = [Double](repeating: 0, count: order * order)
    let outcome = Result {
      if let place = grid.place {
        try Self.solve(
          matrix, order: order, block: block, grid: grid, column: place.column, values: &values,
          vectors: &vectors)
      }
    }
    grid.close()
    try outcome.get()
    try communicator.allreduce(&vectors)
    self.values = try communicator.broadcast(values)
    self.vectors = vectors
  }

  /// Fills `values`, and this rank's columns of `vectors`.
  private static func solve(
    _ matrix: [Double], order: Int, block: Int, grid: borrowing ProcessGrid, column: Int,
    values: inout [Double], vectors: inout [Double]
  ) throws(ScaLAPACKError) {
    let local = ProcessGrid.localCount(of: order, block: block, part: column, parts: grid.columns)
    let ranks = grid.columns
    func global(_ index: Int) -> Int {
      (index / block * ranks + column) * block + index % block
    }
    var a = [Double](repeating: 0, count: order * local)
    for j in 0..<local {
      for i in 0..<order { a[j * order + i] = matrix[global(j) * order + i] }
    }
    var z = [Double](repeating: 0, count: order * local)
    let descriptor = try grid.descriptor(
      rows: order, columns: order, rowBlock: block, columnBlock: block, leadingDimension: order)
    var (n, one, info) = (Int32(order), Int32(1), Int32(0))
    var work = [0.0]
    var integers: [Int32] = [0]
    var (size, integerSize) = (Int32(-1), Int32(-1))
    pdsyevd_(
      "V", "L", &n, &a, &one, &one, descriptor, &values, &z, &one, &one, descriptor, &work, &size,
      &integers, &integerSize, &info)
    try checkScaLAPACK(info, "pdsyevd")
    // The size that pdsyevd asks for falls short of what its own call of pdormtr needs when the matrix
    // is not much larger than a block.
    let applied = block * (max(block, order + local) + block)
    (size, integerSize) = (Int32(work[0]) + Int32(2 * order + applied), integers[0])
    work = [Double](repeating: 0, count: Int(size))
    integers = [Int32](repeating: 0, count: Int(integerSize))
    pdsyevd_(
      "V", "L", &n, &a, &one, &one, descriptor, &values, &z, &one, &one, descriptor, &work, &size,
      &integers, &integerSize, &info)
    try checkScaLAPACK(info, "pdsyevd")
    for j in 0..<local {
      for i in 0..<order { vectors[global(j) * order + i] = z[j * order + i] }
    }
  }
}
