import LinearAlgebra

/// The correlations between a volume's shells, degree by degree, that a covariance of its projections lets
/// infer (Kam 1980).
///
/// A projection is a central slice of the volume's Fourier transform, sum_lm B_lm(xi) Y_lm. Over uniform
/// orientations its angular frequency k, a_k(xi), has the covariance
///
///     C_k = sum_{l >= k} |Y_lk(equator)|^2 X_l,   X_l = sum_m B_lm B_lm^T / (2l + 1),
///
/// and X_l, positive semidefinite and of rank 2l + 1 at most, are those that fit the C_k best: projected
/// gradient with Nesterov's acceleration (FISTA; Beck, Teboulle 2009). Degree 0 is the same in all projections
/// and no part of their covariance.
struct ShellCorrelation {
  /// X_l, `degrees[l]`, in the radial coordinates of the covariances.
  let degrees: [Matrix]
  /// The C_k of these X_l.
  let covariances: [Matrix]
  /// What is not fitted: the share of the squares of all C_k.
  let residual: Double

  private static let iterations = 300

  /// - Parameter covariances: C_k for k = 0 to L, all d x d.
  /// - Throws: `LAPACKError`.
  init(of covariances: [Matrix]) throws {
    let highest = covariances.count - 1
    let d = covariances[0].rows
    let powers = SphericalHarmonics(degree: highest).equatorPowers()
    func share(_ k: Int, _ l: Int) -> Double { l > 0 && k <= l ? powers[l][k] : 0 }
    /// Negative frequencies are the positive ones again.
    func multiplicity(_ k: Int) -> Double { k == 0 ? 1 : 2 }
    var normal = Matrix(rows: highest + 1, columns: highest + 1)
    var target = [Matrix](repeating: Matrix(rows: d, columns: d), count: highest + 1)
    for l in 0...highest {
      for k in 0...highest where share(k, l) > 0 {
        target[l] += (multiplicity(k) * share(k, l)) * covariances[k]
        for other in 0...highest {
          normal[l, other] += multiplicity(k) * share(k, l) * share(k, other)
        }
      }
    }
    let step = 1 / max(try SymmetricEigen(normal).values[0], .leastNormalMagnitude)
    var now = [Matrix](repeating: Matrix(rows: d, columns: d), count: highest + 1)
    var ahead = now
    var momentum = 1.0
    for _ in 0..<Self.iterations {
      let next = try (0...highest).map { l -> Matrix in
        if l == 0 { return now[0] }
        var gradient = -1.0 * target[l]
        for other in 1...highest where normal[l, other] != 0 {
          gradient.add(normal[l, other], ahead[other])
        }
        gradient.scale(-step)
        gradient += ahead[l]
        return try Self.projected(gradient.symmetrized, rank: 2 * l + 1)
      }
      let faster = (1 + (1 + 4 * momentum * momentum).squareRoot()) / 2
      for l in 1...highest {
        var change = next[l] - now[l]
        change.scale((momentum - 1) / faster)
        ahead[l] = next[l] + change
      }
      (now, momentum) = (next, faster)
    }
    degrees = now
    let fitted = (0...highest).map { k in
      var sum = Matrix(rows: d, columns: d)
      for l in max(1, k)...highest where share(k, l) > 0 { sum.add(share(k, l), now[l]) }
      return sum
    }
    self.covariances = fitted
    var (missed, all) = (0.0, 0.0)
    for k in 0...highest {
      let difference = covariances[k] - fitted[k]
      missed += multiplicity(k) * difference.innerProduct(difference)
      all += multiplicity(k) * covariances[k].innerProduct(covariances[k])
    }
    residual = all > 0 ? missed / all : 0
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

extension Matrix {
  /// Adds factor x other.
  fileprivate mutating func add(_ factor: Double, _ other: Matrix) {
    for i in storage.indices { storage[i] += factor * other.storage[i] }
  }

  fileprivate mutating func scale(_ factor: Double) {
    for i in storage.indices { storage[i] *= factor }
  }
}
