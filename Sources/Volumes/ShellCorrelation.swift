import ImageModel
import LinearAlgebra

/// The correlations between a volume's shells, degree by degree, that a covariance of its projections lets
/// infer (Kam 1980).
///
/// A projection is a central projection of the volume's Fourier transform, sum_lm B_lm(xi) Y_lm. Over uniform
/// orientations its angular frequency k, a_k(xi), has the covariance
///
///     C_k = sum_{l >= k} |Y_lk(equator)|^2 X_l,   X_l = sum_m B_lm B_lm^T / (2l + 1),
///
/// and X_l, positive semidefinite and of rank 2l + 1 at most, are those that fit the C_k best: projected
/// gradient with Nesterov's acceleration (FISTA; Beck, Teboulle 2009). Degree 0 is the same in all projections
/// and no part of their covariance.
struct ShellCorrelation {
  /// X_l, `degrees[l]`, in the radial coordinates of the covariances.
  package let degrees: [Matrix]
  /// The C_k of these X_l.
  let covariances: [Matrix]
  /// What is not fitted: the share of the squares of all C_k.
  package let residual: Double

  /// At most; most need half of them.
  private static let iterations = 100
  /// Steps smaller than this part of the X_l are the last.
  private static let precision = 3e-4

  /// - Parameter covariances: C_k for k = 0 to L, all d x d.
  /// - Throws: `LAPACKError`.
  init(of covariances: [Matrix]) throws {
    let count = covariances.count
    let d = covariances[0].rows
    let powers = SphericalHarmonics(degree: count - 1).equatorPowers()
    // C = shares X, of matrices that are one row each: the C_k and the X_l.
    var shares = Matrix(rows: count, columns: count)
    for l in 1..<count {
      for k in 0...l { shares[k, l] = powers[l][k] }
    }
    func rows(_ matrices: [Matrix]) -> Matrix {
      Matrix(rows: count, columns: d * d, storage: matrices.flatMap(\.storage))
    }
    func matrices(_ rows: Matrix) -> [Matrix] {
      (0..<count).map {
        let row = Array(rows.storage[$0 * d * d..<($0 + 1) * d * d])
        return Matrix(rows: d, columns: d, storage: row).symmetrized
      }
    }
    // Negative frequencies are the positive ones again.
    let weights = Matrix.diagonal((0..<count).map { $0 == 0 ? 1 : 2 })
    let given = rows(covariances)
    let target = shares.transposed * (weights * given)
    let normal = shares.transposed * (weights * shares)
    // Degrees weigh very differently in the C_k: in units of 1 / sqrt(normal[l, l]) some tens of steps are enough.
    let units = (0..<count).map { normal[$0, $0] > 0 ? 1 / normal[$0, $0].squareRoot() : 1 }
    let scaled = Matrix.diagonal(units) * normal * Matrix.diagonal(units)
    let longest = 1 / max(try SymmetricEigen(scaled).values[0], .leastNormalMagnitude)
    let steps = Matrix.diagonal(units.map { longest * $0 * $0 })
    var now = Matrix(rows: count, columns: d * d)
    var ahead = now
    var momentum = 1.0
    for _ in 0..<Self.iterations {
      let descent = matrices(ahead + steps * (target - normal * ahead))
      let next = rows(
        try descent.enumerated().map { l, matrix in
          l == 0 ? Matrix(rows: d, columns: d) : try Self.projected(matrix, rank: 2 * l + 1)
        })
      let faster = (1 + (1 + 4 * momentum * momentum).squareRoot()) / 2
      let change = next - now
      ahead = next + ((momentum - 1) / faster) * change
      (now, momentum) = (next, faster)
      if change.innerProduct(change) < Self.precision * Self.precision * now.innerProduct(now) {
        break
      }
    }
    degrees = matrices(now)
    let fitted = shares * now
    self.covariances = matrices(fitted)
    let missed = given - fitted
    let all = given.innerProduct(weights * given)
    residual = all > 0 ? missed.innerProduct(weights * missed) / all : 0
  }

  /// The nearest positive semidefinite matrix of that rank.
  private static func projected(_ matrix: Matrix, rank: Int) throws -> Matrix {
    let eigen = try SymmetricEigen(matrix)
    var place = 0
    return eigen.applying { value in
      defer { place += 1 }
      return place < rank ? max(0, value) : 0
    }
  }
}
