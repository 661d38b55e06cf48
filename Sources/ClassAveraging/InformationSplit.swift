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
    let inverses = try (0..<layout.blockCount).map { block -> Matrix in
      try inverse(of: posterior.meanInformation(of: groups)[block])
    }
    var first = whole.local
    var second = whole.local
    let width = whole.width
    let scale = (share * (1 - share)).squareRoot()
    var noise = [Double](repeating: 0, count: width)
    for (at, image) in own.enumerated() {
      let group = Int(groups[image])
      let counter = UInt64(image) * UInt64(width / 2)
      for i in 0..<width / 2 {
        let (u, v) = (
          CounterRandom.uniform(seed: seed, counter: 2 * (counter + UInt64(i))),
          CounterRandom.uniform(seed: seed, counter: 2 * (counter + UInt64(i)) + 1)
        )
        let radius = (-2 * log(u)).squareRoot()
        (noise[2 * i], noise[2 * i + 1]) = (radius * cos(2 * .pi * v), radius * sin(2 * .pi * v))
      }
      for block in 0..<layout.blockCount {
        let components = layout.components(ofBlock: block)
        let parts = layout.frequencies[block] == 0 ? 1 : 2
        let start = at * width + 2 * components.lowerBound
        for part in 0..<parts {
          for i in 0..<components.count {
            var sum = 0.0
            for j in 0..<components.count {
              sum += roots[group][block][i, j] * noise[2 * (components.lowerBound + j) + part]
            }
            let value = Double(whole.local[start + 2 * i + part])
            first[start + 2 * i + part] = Float((1 - share) * value + scale * sum)
          }
          for i in 0..<components.count {
            var sum = 0.0
            for j in 0..<components.count {
              let at = start + 2 * j + part
              sum += inverses[block][i, j] * Double(whole.local[at] - first[at])
            }
            second[start + 2 * i + part] = Float(sum / share)
          }
        }
      }
    }
    rows = DistributedRows(first, width: width, partition: whole.partition, on: comm)
    heldOut = DistributedRows(second, width: width, partition: whole.partition, on: comm)
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
