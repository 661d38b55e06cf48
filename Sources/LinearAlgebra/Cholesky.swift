import COpenBLAS
import Foundation

/// The Cholesky factor of a symmetric positive definite matrix, for solves, inverses and determinants.
public struct Cholesky: Sendable {
  /// L in its lower triangle, M = L L^T; the upper triangle is not used.
  private let factor: Matrix

  /// Factors `matrix` (LAPACK `dpotrf`; its lower triangle is read).
  /// - Throws: `LAPACKError` where the matrix is not positive definite.
  public init(_ matrix: Matrix) throws {
    var factor = matrix
    if matrix.rows > 0 {
      let info = LAPACKE_dpotrf(
        LAPACK_ROW_MAJOR, CChar(UInt8(ascii: "L")), Int32(matrix.rows), &factor.storage,
        Int32(matrix.rows))
      if info != 0 { throw LAPACKError(routine: "dpotrf", info: Int(info)) }
    }
    self.factor = factor
  }

  /// log det M.
  public var logDeterminant: Double {
    (0..<factor.rows).reduce(0) { $0 + 2 * log(factor[$1, $1]) }
  }

  /// M^{-1} B.
  public func solve(_ right: Matrix) throws -> Matrix {
    var result = right
    if right.rows > 0 && right.columns > 0 {
      let info = LAPACKE_dpotrs(
        LAPACK_ROW_MAJOR, CChar(UInt8(ascii: "L")), Int32(factor.rows), Int32(right.columns),
        factor.storage, Int32(factor.rows), &result.storage, Int32(right.columns))
      if info != 0 { throw LAPACKError(routine: "dpotrs", info: Int(info)) }
    }
    return result
  }

  /// M^{-1}.
  public func inverse() throws -> Matrix { try solve(.identity(factor.rows)).symmetrized }
}
