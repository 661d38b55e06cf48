import COpenBLAS

/// Runs `body` while OpenBLAS may use `count` threads in this process; after it, as many as before. One OpenBLAS
/// serves BLAS, LAPACK and ScaLAPACK. Not for several threads at once: the number is the process's.
public func withBLASThreads<Result>(_ count: Int, _ body: () throws -> Result) rethrows -> Result {
  let before = openblas_get_num_threads()
  openblas_set_num_threads(Int32(count))
  defer { openblas_set_num_threads(before) }
  return try body()
}

extension Matrix {
  /// The matrix product.
  public static func * (a: Matrix, b: Matrix) -> Matrix {
    precondition(a.columns == b.rows, "a product of matrices that do not fit")
    var result = Matrix(rows: a.rows, columns: b.columns)
    if a.rows == 0 || b.columns == 0 || a.columns == 0 { return result }
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(a.rows), Int32(b.columns), Int32(a.columns),
      1, a.storage, Int32(a.columns), b.storage, Int32(b.columns), 0, &result.storage,
      Int32(b.columns))
    return result
  }

  /// The product with a vector of `columns` elements.
  public func times(_ vector: [Double]) -> [Double] {
    (self * Matrix(rows: vector.count, columns: 1, storage: vector)).storage
  }
}

/// C = A B in single precision, row-major, on memory of the caller: A is m x k with row stride `lda`,
/// B is k x n with `ldb`, C is m x n with `ldc`; `transposeB` takes B as n x k. Adds to C where
/// `accumulate` is set.
public func multiply(
  _ a: UnsafePointer<Float>, lda: Int, _ b: UnsafePointer<Float>, ldb: Int,
  into c: UnsafeMutablePointer<Float>, ldc: Int, m: Int, n: Int, k: Int,
  transposeB: Bool = false, accumulate: Bool = false
) {
  if m == 0 || n == 0 { return }
  cblas_sgemm(
    CblasRowMajor, CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(m), Int32(n),
    Int32(k), 1, a, Int32(lda), b, Int32(ldb), accumulate ? 1 : 0, c, Int32(ldc))
}
