import Foundation
import LinearAlgebra
import MPI

/// Mean and covariance of the clean images' coefficients, block by block, from the images' moments
/// (covariance Wiener filtering, method E.3; Bhamre, Zhang, Singer 2016).
public struct MeanAndCovariance: Sendable {
  /// mu: the mean's coefficients in block k = 0; zero in the others.
  public let mean: [Double]
  /// Sigma_k of each block: the covariance of either real part, positive semidefinite.
  public let covariance: [Matrix]
  /// The same with eigenvalues debiased, not shrunk: of the energy that the images have, where shrinkage
  /// leaves out what cannot be told from noise.
  public let debiased: [Matrix]
  /// How many eigenvalues of each block rose above the noise.
  public let ranks: [Int]
  /// Whether no eigenvalue of any block rose above the noise's edge, so that the largest were kept as
  /// they are (a handful of images).
  public let isBelowNoise: Bool

  /// Solves for mean and covariance; each block is solved by one rank and sent to all. Collective.
  /// - Parameters:
  ///   - moments: sums over the images of all ranks.
  ///   - model: the groups' matrices.
  ///   - noiseVariance: sigma^2 of the white noise of a pixel.
  ///   - shrinkage: how eigenvalues are freed from noise.
  ///   - comm: the ranks that take part.
  public init(
    moments: GroupMoments, model: ImageModel, noiseVariance: Double,
    shrinkage: Shrinkage = .frobenius, on comm: Communicator
  ) throws {
    let layout = model.basis.layout
    let mean = try Self.mean(moments: moments, model: model)
    self.mean = mean
    func solve(_ block: Int, _ rule: (Double, Double) -> Double) throws -> (Matrix, Int) {
      try Self.covariance(
        block: block, moments: moments, model: model, mean: mean, noiseVariance: noiseVariance,
        shrink: rule)
    }
    func solveAll(_ rule: (Double, Double) -> Double) throws -> ([Matrix], [Int]) {
      var mine: [Double] = []
      for block in stride(from: comm.rank, to: layout.blockCount, by: comm.size) {
        let (sigma, rank) = try solve(block, rule)
        mine += [Double(rank)] + sigma.storage
      }
      return Self.assemble(
        try comm.allgatherRagged(mine), layout: layout, parts: comm.size)
    }
    var (blocks, kept) = try solveAll { value, ratio in
      shrinkage.shrunk(value, noiseVariance: noiseVariance, ratio: ratio)
    }
    isBelowNoise = kept.allSatisfy { $0 == 0 }
    if isBelowNoise {
      (blocks, kept) = try solveAll { value, _ in max(0, value - noiseVariance) }
    }
    covariance = blocks
    ranks = kept
    debiased =
      isBelowNoise || shrinkage == .operator
      ? blocks
      : try solveAll { value, ratio in
        Shrinkage.operator.shrunk(value, noiseVariance: noiseVariance, ratio: ratio)
      }.0
  }

  /// mu: (sum_g w_g B_g) mu = sum over images of b, in block 0; directions that no CTF passes are left
  /// at zero.
  package static func mean(moments: GroupMoments, model: ImageModel) throws -> [Double] {
    let p = model.basis.layout.components(ofBlock: 0).count
    var matrix = Matrix(rows: p, columns: p)
    var right = [Double](repeating: 0, count: p)
    for (group, count) in moments.counts(in: model).enumerated() {
      matrix += count * model.squared[group][0]
      for q in 0..<p { right[q] += moments.sums[group][q] }
    }
    let eigen = try SymmetricEigen(matrix)
    let floor = (eigen.values.first ?? 0) * conditionLimit
    return eigen.applying { $0 > floor ? 1 / $0 : 0 }.times(right)
  }

  /// Eigenvalues of sum_g w_g B_g below this share of the largest are directions that the data do not
  /// determine.
  private static let conditionLimit = 1e-6

  /// Sigma of one block: whiten the noise, shrink the eigenvalues, undo the CTF by conjugate gradients.
  private static func covariance(
    block: Int, moments: GroupMoments, model: ImageModel, mean: [Double], noiseVariance: Double,
    shrink: (_ value: Double, _ ratio: Double) -> Double
  ) throws -> (sigma: Matrix, rank: Int) {
    let counts = moments.counts(in: model)
    let n = counts.reduce(0, +)
    let samples = n * Double(ImageModel.multiplicity(ofBlock: block))
    let p = model.basis.layout.components(ofBlock: block).count
    var weight = Matrix(rows: p, columns: p)
    var observed = Matrix(rows: p, columns: p)
    for (group, count) in counts.enumerated() {
      let squared = model.squared[group][block]
      weight += (count / n) * squared
      var product = moments.products[group][block]
      if block == 0 {
        // sum (b - B mu)(b - B mu)^T from the sums of b b^T and b.
        let expected = squared.times(mean)
        let sum = moments.sums[group]
        for q in 0..<p {
          for r in 0..<p {
            product[q, r] +=
              count * expected[q] * expected[r] - sum[q] * expected[r]
              - expected[q] * sum[r]
          }
        }
      }
      observed += (1 / samples) * product
    }
    let eigen = try SymmetricEigen(weight)
    let floor = (eigen.values.first ?? 0) * conditionLimit
    let whitening = eigen.applying { $0 > floor ? 1 / $0.squareRoot() : 0 }
    let sample = try SymmetricEigen((whitening * observed * whitening).symmetrized)
    let ratio = Double(p) / samples
    let shrunk = sample.values.map { shrink($0, ratio) }
    let rank = shrunk.count { $0 > 0 }
    if rank == 0 { return (Matrix(rows: p, columns: p), 0) }
    var index = 0
    let target = sample.applying { _ in
      defer { index += 1 }
      return shrunk[index]
    }
    let transfer = model.squared.map { (whitening * $0[block] * whitening).symmetrized }
    let shares = counts.map { $0 / n }
    let x = solveByConjugateGradients(target: target, transfer: transfer, shares: shares)
    let sigma = try SymmetricEigen((whitening * x * whitening).symmetrized)
    return (sigma.applying { max(0, $0) }, rank)
  }

  /// X of sum_g share_g W_g X W_g = target: symmetric positive definite in <A, B> = tr A^T B.
  static func solveByConjugateGradients(target: Matrix, transfer: [Matrix], shares: [Double])
    -> Matrix
  {
    func apply(_ x: Matrix) -> Matrix {
      var result = Matrix(rows: x.rows, columns: x.columns)
      for (w, share) in zip(transfer, shares) where share > 0 { result += share * (w * x * w) }
      return result
    }
    var x = target
    var residual = target - apply(x)
    var direction = residual
    var norm = residual.innerProduct(residual)
    let goal = target.innerProduct(target) * 1e-20
    for _ in 0..<500 where norm > goal {
      let image = apply(direction)
      let step = norm / direction.innerProduct(image)
      x += step * direction
      residual -= step * image
      let next = residual.innerProduct(residual)
      direction = residual + (next / norm) * direction
      norm = next
    }
    return x.symmetrized
  }

  /// Takes the gathered blocks apart: rank r solved blocks r, r + parts, ...
  private static func assemble(_ all: [Double], layout: AngularLayout, parts: Int)
    -> ([Matrix], [Int])
  {
    var blocks = [Matrix](repeating: Matrix(rows: 0, columns: 0), count: layout.blockCount)
    var ranks = [Int](repeating: 0, count: layout.blockCount)
    var at = 0
    for part in 0..<parts {
      for block in stride(from: part, to: layout.blockCount, by: parts) {
        let p = layout.components(ofBlock: block).count
        ranks[block] = Int(all[at])
        blocks[block] = Matrix(rows: p, columns: p, storage: Array(all[at + 1..<at + 1 + p * p]))
        at += 1 + p * p
      }
    }
    return (blocks, ranks)
  }
}

extension GroupMoments {
  /// The images in each group, by their weights.
  func counts(in model: ImageModel) -> [Double] { counts ?? model.groupCounts.map { Double($0) } }
}
