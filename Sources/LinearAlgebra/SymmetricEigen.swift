import COpenBLAS

/// A LAPACK routine that reported failure.
public struct LAPACKError: Error, CustomStringConvertible, Sendable {
  /// The routine's name.
  public let routine: String
  /// What it returned, as LAPACK documents it.
  public let info: Int
  public var description: String { "\(routine) failed (info \(info))" }
}

/// Eigenvalues (descending) and eigenvectors (columns) of a real symmetric matrix.
public struct SymmetricEigen: Sendable {
  /// Descending.
  public let values: [Double]
  /// Column j belongs to `values[j]`; orthonormal. Signs are fixed: the element of largest modulus of
  /// each column is positive.
  public let vectors: Matrix

  /// Decomposes `matrix` (LAPACK `dsyevd`).
  /// - Throws: `LAPACKError` where the iteration does not converge.
  public init(_ matrix: Matrix) throws {
    precondition(matrix.rows == matrix.columns, "eigenvalues of a matrix that is not square")
    let n = matrix.rows
    guard n > 0 else {
      values = []
      vectors = matrix
      return
    }
    var work = matrix.storage
    var ascending = [Double](repeating: 0, count: n)
    let info = LAPACKE_dsyevd(
      LAPACK_ROW_MAJOR, CChar(UInt8(ascii: "V")), CChar(UInt8(ascii: "L")),
      Int32(n), &work, Int32(n), &ascending)
    if info != 0 { throw LAPACKError(routine: "dsyevd", info: Int(info)) }
    values = ascending.reversed()
    var sorted = Matrix(rows: n, columns: n)
    for j in 0..<n {
      let column = n - 1 - j
      var largest = 0.0
      for i in 0..<n where abs(work[i * n + column]) > abs(largest) * (1 + 1e-9) {
        largest = work[i * n + column]
      }
      let sign = largest < 0 ? -1.0 : 1.0
      for i in 0..<n { sorted[i, j] = sign * work[i * n + column] }
    }
    vectors = sorted
  }

  /// V f(values) V^T.
  public func applying(_ function: (Double) -> Double) -> Matrix {
    var scaled = vectors
    for (j, value) in values.enumerated() {
      let factor = function(value)
      for i in 0..<scaled.rows { scaled[i, j] *= factor }
    }
    return (scaled * vectors.transposed).symmetrized
  }
}
