import Foundation
import LinearAlgebra

/// What one block of a group's images tells: F, L = (I + F)^{-1}, and log det (I + F).
struct GroupPosterior {
  let f: Matrix
  let l: Matrix
  let logDeterminant: Double

  /// - Throws: `LAPACKError` where the matrix cannot be factored.
  init(information f: Matrix) throws {
    self.f = f
    let own = try Cholesky(Matrix.identity(f.rows) + f)
    l = try own.inverse()
    logDeterminant = own.logDeterminant
  }

  /// Of images that tell nothing.
  init(order: Int) {
    f = Matrix(rows: order, columns: order)
    l = .identity(order)
    logDeterminant = 0
  }
}

/// One block's part of a pair of groups: the constant for one real part, P as it multiplies the first
/// image (so that w = P b_i), and L_g less the first image's own part.
struct BlockForm {
  var constant: Double
  var cross: Matrix
  var selfForm: Matrix

  /// The log density of x_i - R x_j at 0 (paper eq. 14).
  static func mahalanobis(_ first: GroupPosterior, _ second: GroupPosterior) throws -> BlockForm {
    let p = try Cholesky(2 * Matrix.identity(first.f.rows) + first.f + second.f).inverse()
    return BlockForm(
      constant: -0.5 * (try Cholesky(first.l + second.l).logDeterminant), cross: p,
      selfForm: first.l - p)
  }

  /// The log Bayes factor.
  static func bayesFactor(_ first: GroupPosterior, _ second: GroupPosterior, correlation c: Double)
    throws
    -> BlockForm
  {
    let (f, e) = (first.f, second.f)
    let r = f.rows
    if c == 1 {
      let joint = try Cholesky(Matrix.identity(r) + f + e)
      let p = try joint.inverse()
      return BlockForm(
        constant: 0.5 * (first.logDeterminant + second.logDeterminant - joint.logDeterminant),
        cross: p, selfForm: first.l - p)
    }
    // The pair's prior precision [[I, -c I], [-c I, I]] / (1 - c^2), plus what the images tell.
    let scale = 1 / (1 - c * c)
    var precision = Matrix(rows: 2 * r, columns: 2 * r)
    for i in 0..<r {
      for j in 0..<r {
        precision[i, j] = f[i, j]
        precision[r + i, r + j] = e[i, j]
      }
      precision[i, i] += scale
      precision[r + i, r + i] += scale
      precision[i, r + i] -= c * scale
      precision[r + i, i] -= c * scale
    }
    let joint = try Cholesky(precision)
    let covariance = try joint.inverse()
    var cross = Matrix(rows: r, columns: r)
    var own = cross
    for i in 0..<r {
      for j in 0..<r {
        cross[i, j] = covariance[r + i, j]
        own[i, j] = covariance[i, j]
      }
    }
    let determinant = joint.logDeterminant - Double(r) * log(scale)
    return BlockForm(
      constant: 0.5 * (first.logDeterminant + second.logDeterminant - determinant), cross: cross,
      selfForm: first.l - own)
  }

  /// The inner product.
  static func euclidean(order: Int) -> BlockForm {
    BlockForm(
      constant: 0, cross: .identity(order), selfForm: Matrix(rows: order, columns: order))
  }
}
