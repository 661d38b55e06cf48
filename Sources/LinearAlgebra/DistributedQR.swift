import CScaLAPACK
import MPI

/// The factors of a tall matrix whose rows are shared among ranks.
public struct DistributedQR: Sendable {
  /// This rank's rows of Q, column-major, rows x columns; Q's columns are orthonormal over all ranks.
  public let q: [Double]
  /// The upper triangular factor, column-major, columns x columns, the same on every rank.
  public let r: [Double]

  /// Factorises A = Q R by Householder reflections (ScaLAPACK `pdgeqrf`, `pdorgqr`). Collective.
  ///
  /// - Parameters:
  ///   - block: this rank's rows of A, column-major; ranks may hold different numbers of rows, or none.
  ///   - columns: the number of columns, at most the number of rows over all ranks.
  ///   - communicator: the ranks that take part.
  ///
  /// ScaLAPACK deals rows out in equal blocks, so shorter slices are padded with zero rows. They change
  /// neither R nor the other rows of Q. Where A has less than full rank, a column of Q that completes
  /// the basis may lie in the padding and come back shorter than 1; R has a zero for it.
  ///
  /// - Throws: `ScaLAPACKError`, `MPIError`.
  public init(_ block: [Double], columns: Int, over communicator: Communicator) throws {
    precondition(columns > 0 && block.count % columns == 0, "a block of whole columns")
    let rows = block.count / columns
    let total = try communicator.allreduce(rows)
    precondition(total >= columns, "QR of a matrix with fewer rows than columns")
    let padded = try communicator.allreduce(rows, .maximum)

    var a = [Double](repeating: 0, count: padded * columns)
    for column in 0..<columns {
      for row in 0..<rows { a[column * padded + row] = block[column * rows + row] }
    }
    let grid = ProcessGrid(rows: communicator.size, columns: 1, over: communicator)
    let factors = Result {
      try Self.factorise(&a, rows: padded, columns: columns, grid: grid, rank: communicator.rank)
    }
    grid.close()
    var r = try factors.get()
    try communicator.allreduce(&r)
    self.r = r
    q = [Double](unsafeUninitializedCapacity: rows * columns) { buffer, initialised in
      for column in 0..<columns {
        for row in 0..<rows { buffer[column * rows + row] = a[column * padded + row] }
      }
      initialised = rows * columns
    }
  }

  /// Overwrites `a` (this rank's `rows` rows) by Q; returns this rank's rows of R in a full matrix.
  private static func factorise(
    _ a: inout [Double], rows: Int, columns: Int, grid: borrowing ProcessGrid, rank: Int
  ) throws(ScaLAPACKError) -> [Double] {
    let panel = 32
    let descriptor = try grid.descriptor(
      rows: rows * grid.rows, columns: columns, rowBlock: rows, columnBlock: panel,
      leadingDimension: rows)
    var (m, n, one, info) = (Int32(rows * grid.rows), Int32(columns), Int32(1), Int32(0))
    var tau = [Double](repeating: 0, count: columns)

    var work = [0.0]
    var size: Int32 = -1
    pdgeqrf_(&m, &n, &a, &one, &one, descriptor, &tau, &work, &size, &info)
    try checkScaLAPACK(info, "pdgeqrf")
    size = Int32(work[0])
    work = [Double](repeating: 0, count: Int(size))
    pdgeqrf_(&m, &n, &a, &one, &one, descriptor, &tau, &work, &size, &info)
    try checkScaLAPACK(info, "pdgeqrf")

    var r = [Double](repeating: 0, count: columns * columns)
    let first = rank * rows
    for column in 0..<columns {
      for row in 0..<rows where first + row <= column {
        r[column * columns + first + row] = a[column * rows + row]
      }
    }

    size = -1
    pdorgqr_(&m, &n, &n, &a, &one, &one, descriptor, tau, &work, &size, &info)
    try checkScaLAPACK(info, "pdorgqr")
    size = Int32(work[0])
    work = [Double](repeating: 0, count: Int(size))
    pdorgqr_(&m, &n, &n, &a, &one, &one, descriptor, tau, &work, &size, &info)
    try checkScaLAPACK(info, "pdorgqr")
    return r
  }
}
