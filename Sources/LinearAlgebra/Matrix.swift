/// A dense real matrix in row-major order, double precision: the small blocks (tens of rows) in which
/// a steerable covariance falls apart.
public struct Matrix: Sendable, Equatable {
  /// The number of rows.
  public let rows: Int
  /// The number of columns.
  public let columns: Int
  /// Element (i, j) is `storage[i * columns + j]`.
  public var storage: [Double]

  /// A matrix of elements given in row-major order.
  public init(rows: Int, columns: Int, storage: [Double]) {
    precondition(storage.count == rows * columns, "a matrix of another shape")
    self.rows = rows
    self.columns = columns
    self.storage = storage
  }

  /// A matrix of zeros.
  public init(rows: Int, columns: Int) {
    self.init(
      rows: rows, columns: columns, storage: [Double](repeating: 0, count: rows * columns))
  }

  /// The identity of `order` rows.
  public static func identity(_ order: Int) -> Matrix {
    diagonal([Double](repeating: 1, count: order))
  }

  /// The square matrix with `values` on its diagonal.
  public static func diagonal(_ values: [Double]) -> Matrix {
    var matrix = Matrix(rows: values.count, columns: values.count)
    for (i, value) in values.enumerated() { matrix[i, i] = value }
    return matrix
  }

  /// Element (i, j), counted from 0.
  @inlinable
  public subscript(i: Int, j: Int) -> Double {
    get { storage[i * columns + j] }
    set { storage[i * columns + j] = newValue }
  }

  /// The matrix with rows and columns exchanged.
  public var transposed: Matrix {
    var result = Matrix(rows: columns, columns: rows)
    for i in 0..<rows { for j in 0..<columns { result[j, i] = self[i, j] } }
    return result
  }

  /// (M + M^T) / 2: takes rounding's asymmetry away.
  public var symmetrized: Matrix {
    var result = self
    for i in 0..<rows {
      for j in 0..<i {
        let mean = (self[i, j] + self[j, i]) / 2
        result[i, j] = mean
        result[j, i] = mean
      }
    }
    return result
  }

  /// The first `count` columns.
  public func leadingColumns(_ count: Int) -> Matrix {
    var result = Matrix(rows: rows, columns: count)
    for i in 0..<rows { for j in 0..<count { result[i, j] = self[i, j] } }
    return result
  }

  /// The sum of the diagonal.
  public var trace: Double { (0..<min(rows, columns)).reduce(0) { $0 + self[$1, $1] } }

  /// The sum of the elementwise products, <A, B>.
  public func innerProduct(_ other: Matrix) -> Double {
    zip(storage, other.storage).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// The sum, element by element.
  public static func + (a: Matrix, b: Matrix) -> Matrix { a.combined(b) { $0 + $1 } }
  /// The difference, element by element.
  public static func - (a: Matrix, b: Matrix) -> Matrix { a.combined(b) { $0 - $1 } }
  /// Adds `b`, element by element.
  public static func += (a: inout Matrix, b: Matrix) { a = a + b }
  /// Subtracts `b`, element by element.
  public static func -= (a: inout Matrix, b: Matrix) { a = a - b }
  /// Every element times `factor`.
  public static func * (factor: Double, a: Matrix) -> Matrix {
    Matrix(rows: a.rows, columns: a.columns, storage: a.storage.map { factor * $0 })
  }

  private func combined(_ other: Matrix, _ operation: (Double, Double) -> Double) -> Matrix {
    precondition(rows == other.rows && columns == other.columns, "matrices of different shapes")
    return Matrix(
      rows: rows, columns: columns, storage: zip(storage, other.storage).map(operation))
  }
}
