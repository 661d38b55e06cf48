import Execution
import Foundation
import LinearAlgebra

/// The volumes whose projections have one covariance: of their harmonics of degree l,
///
///     B_l = sqrt(2l + 1) X_l^{1/2} O_l,
///
/// the covariance fixes X_l (`ShellCorrelation`) and leaves the orthonormal rows of O_l open (Kam 1980).
struct HarmonicRotations {
  /// d.
  package let rank: Int
  /// sqrt(2l + 1) X_l^{1/2} by its eigenvectors: of each degree d columns and a row for each, at most 2l + 1.
  private let roots: [Matrix]
  /// O_l, as many rows as that, 2l + 1 columns.
  package private(set) var rotations: [Matrix]

  /// Random ones.
  /// - Parameter correlations: X_l, `correlations[l]`, d x d.
  /// - Throws: `LAPACKError`.
  init(of correlations: [Matrix], seed: UInt64) throws {
    rank = correlations[0].rows
    roots = try correlations.enumerated().map { l, matrix in
      let eigen = try SymmetricEigen(matrix)
      var root = Matrix(rows: min(matrix.rows, 2 * l + 1), columns: matrix.rows)
      for s in 0..<root.rows {
        let scale = (Double(2 * l + 1) * max(0, eigen.values[s])).squareRoot()
        for j in 0..<root.columns { root[s, j] = scale * eigen.vectors[j, s] }
      }
      return root
    }
    rotations = roots.enumerated().map { l, root in
      Self.orthonormalRows(root.rows, of: 2 * l + 1, seed: seed, stream: l)
    }
  }

  /// B of the degrees up to one, [(l^2 + l + m) d + j].
  package func coefficients(through degree: Int) -> [Float] {
    zip(roots, rotations).prefix(degree + 1).flatMap { root, rotation in
      (rotation.transposed * root).storage.map { Float($0) }
    }
  }

  /// Turns the harmonics of each degree so that their inner product with others is the largest one (the orthogonal
  /// Procrustes problem; Schoenemann 1966).
  /// - Parameter others: in the order of `coefficients`, of the lowest degrees; other degrees stay as they are.
  /// - Throws: `LAPACKError`.
  package mutating func align(to others: [Double]) throws {
    var start = 0
    for l in roots.indices where start < others.count {
      let (root, orders) = (roots[l], 2 * l + 1)
      let part = Matrix(
        rows: orders, columns: rank, storage: Array(others[start..<start + orders * rank]))
      start += orders * rank
      var product = root * part.transposed
      let size = product.innerProduct(product).squareRoot()
      if size == 0 { continue }
      // What the others leave open stays as it was.
      product += (1e-6 * size) * rotations[l]
      let eigen = try SymmetricEigen((product * product.transposed).symmetrized)
      rotations[l] = eigen.applying { 1 / max($0, 1e-16 * size * size).squareRoot() } * product
    }
  }

  /// Random orthonormal vectors (Gram and Schmidt on normal numbers).
  private static func orthonormalRows(_ count: Int, of length: Int, seed: UInt64, stream: Int)
    -> Matrix
  {
    var rows: [[Double]] = []
    for row in 0..<count {
      let normals = NormalNumbers(seed: ~seed, image: stream << 16 | row, count: length)
      var vector = (0..<length).map { normals.pair($0).0 }
      // Twice, against rounding.
      for _ in 0..<2 {
        for other in rows {
          let product = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          for i in 0..<length { vector[i] -= product * other[i] }
        }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      rows.append(vector.map { $0 / norm })
    }
    return Matrix(rows: count, columns: length, storage: rows.flatMap { $0 })
  }
}
