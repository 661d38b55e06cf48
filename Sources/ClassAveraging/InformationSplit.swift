import Foundation
import LinearAlgebra
import MPI

/// The statistics of all images in two parts with independent noise, as if each image had been exposed twice:
/// a statistic b ~ N(F x, F) becomes (1 - s) b + (s (1 - s))^{1/2} F^{1/2} z with z ~ N(0, I), which is
/// N((1 - s) F x, (1 - s) F), and the rest, which is N(s F x, s F) and independent of it.
///
/// What is found in the first part owes nothing to the noise of the second, which can therefore judge it
/// without bias.
///
/// Source: Rasines and Young, Splitting strategies for post-selection inference, Biometrika 110 (2023).
struct InformationSplit {
  /// The model of the first part's statistics.
  let posterior: PosteriorModel
  /// The first part's statistics, distributed like the images.
  let rows: DistributedRows
  /// x + noise of each image by the second part, in principal coordinates: the rest over s times the mean
  /// of F over the groups. Unbiased in the mean over images of all groups.
  let heldOut: DistributedRows

  /// - Parameters:
  ///   - share: s, 0 to 1, both excluded.
  ///   - groups: the defocus group of every image.
  /// - Throws: `LAPACKError`.
  init(
    _ posterior: PosteriorModel, rows whole: DistributedRows, groups: [Int32], share: Double,
    seed: UInt64, on comm: Communicator
  ) throws {
    self.posterior = try posterior.withInformation(scaledBy: 1 - share)
    let layout = posterior.layout
    let own = whole.partition.range(of: comm.rank)
    let roots = try posterior.information.map { blocks in try blocks.map { try root(of: $0) } }
    let inverses = try posterior.meanInformation(of: groups).map { try inverse(of: $0) }
    var first = SteerableCoefficients(layout: layout, count: own.count)
    var second = first
    let width = whole.width
    let scale = (share * (1 - share)).squareRoot()
    for (at, image) in own.enumerated() {
      let noise = Self.normals(width, seed: seed, image: image)
      for block in 0..<layout.blockCount {
        let components = layout.components(ofBlock: block)
        let root = roots[Int(groups[image])][block]
        var (kept, rest): ([SIMD2<Double>], [SIMD2<Double>]) = ([], [])
        for (i, component) in components.enumerated() {
          let value = whole.local.value(image: at, component: component)
          let whole = SIMD2(Double(value.re), Double(value.im))
          var sum = SIMD2<Double>.zero
          for (j, other) in components.enumerated() { sum += root[i, j] * noise[other] }
          // Components of frequency 0 are real.
          if layout.frequencies[block] == 0 { sum.y = 0 }
          kept.append((1 - share) * whole + scale * sum)
          rest.append(whole - kept[i])
        }
        for (i, component) in components.enumerated() {
          var sum = SIMD2<Double>.zero
          for j in 0..<components.count { sum += inverses[block][i, j] * rest[j] }
          sum /= share
          first.setValue(
            (Float(kept[i].x), Float(kept[i].y)), image: at, component: component)
          second.setValue((Float(sum.x), Float(sum.y)), image: at, component: component)
        }
      }
    }
    rows = DistributedRows(first, partition: whole.partition, on: comm)
    heldOut = DistributedRows(second, partition: whole.partition, on: comm)
  }

  /// Pairs of independent standard normal numbers, width / 2 of them (Box and Muller).
  private static func normals(_ width: Int, seed: UInt64, image: Int) -> [SIMD2<Double>] {
    (0..<width / 2).map { pair in
      let counter = UInt64(image) * UInt64(width) + UInt64(2 * pair)
      let radius = (-2 * log(CounterRandom.uniform(seed: seed, counter: counter))).squareRoot()
      let angle = 2 * Double.pi * CounterRandom.uniform(seed: seed, counter: counter + 1)
      return SIMD2(radius * cos(angle), radius * sin(angle))
    }
  }
}

/// A matrix R with R R^T = M, positive semidefinite.
private func root(of matrix: Matrix) throws -> Matrix {
  let eigen = try SymmetricEigen(matrix)
  var root = eigen.vectors
  for j in 0..<root.columns {
    let scale = max(0, eigen.values[j]).squareRoot()
    for i in 0..<root.rows { root[i, j] *= scale }
  }
  return root
}

/// The inverse, without the directions that no image tells anything of.
private func inverse(of matrix: Matrix) throws -> Matrix {
  let eigen = try SymmetricEigen(matrix)
  var scaled = eigen.vectors
  for j in 0..<scaled.columns {
    let value = eigen.values[j]
    let factor = value > 1e-6 * (eigen.values.first ?? 0) ? 1 / value : 0
    for i in 0..<scaled.rows { scaled[i, j] *= factor }
  }
  return scaled * eigen.vectors.transposed
}

extension PosteriorModel {
  /// The mean of F over the groups, as often as images are in them.
  func meanInformation(of groups: [Int32]) -> [Matrix] {
    var counts = [Double](repeating: 0, count: groupCount)
    for group in groups { counts[Int(group)] += 1 / Double(groups.count) }
    return (0..<layout.blockCount).map { block in
      let r = layout.components(ofBlock: block).count
      var sum = Matrix(rows: r, columns: r)
      for (group, share) in counts.enumerated() { sum += share * information[group][block] }
      return sum
    }
  }

  /// The model of images of `factor` times the exposure.
  /// - Throws: `LAPACKError`.
  func withInformation(scaledBy factor: Double) throws -> PosteriorModel {
    var copy = self
    copy.information = information.map { $0.map { factor * $0 } }
    copy.covariance = try copy.information.map { blocks in
      try blocks.map { try Cholesky($0 + .identity($0.rows)).inverse() }
    }
    return copy
  }
}
