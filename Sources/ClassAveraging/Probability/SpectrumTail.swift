import Foundation
import ImageModel
import LinearAlgebra

/// The energy of clean images in the principal components that noise hides, from how fast that of the others falls.
///
/// The eigenvalues of all blocks, in order, each as often as it has real coordinates, are taken for
/// exp(a - b sqrt(i)): images of a particle have i components up to a frequency in proportion to sqrt(i), and their
/// energy falls exponentially with the frequency. The first tenth, the coarse shape, does not count.
struct SpectrumTail {
  /// Of the components that are seen.
  let seen: Double
  /// Of those that are not.
  let hidden: Double

  /// What is not fitted.
  private static let coarse = 0.1
  /// Fewer eigenvalues tell no decay.
  private static let least = 8

  /// - Parameters:
  ///   - covariance: of the clean images' coefficients, block by block.
  ///   - ranks: how many components are seen of each block, the leading ones.
  /// - Throws: `LAPACKError`.
  init(of covariance: [Matrix], ranks: [Int]) throws {
    var eigenvalues: [Double] = []
    for (block, matrix) in covariance.enumerated() where ranks[block] > 0 {
      for value in try SymmetricEigen(matrix).values.prefix(ranks[block]) where value > 0 {
        let count = ImageModel.multiplicity(ofBlock: block)
        eigenvalues += [Double](repeating: value, count: count)
      }
    }
    self.init(eigenvalues)
  }

  /// - Parameter eigenvalues: those that are seen, positive, in any order.
  init(_ eigenvalues: [Double]) {
    let values = eigenvalues.sorted(by: >)
    seen = values.reduce(0, +)
    let count = values.count
    let fitted = Int(Self.coarse * Double(count))..<count
    if count < Self.least || values[count - 1] == values[fitted.lowerBound] {
      hidden = 0
      return
    }
    let (x, y) = (fitted.map { Double($0 + 1).squareRoot() }, fitted.map { log(values[$0]) })
    let size = Double(fitted.count)
    let (meanX, meanY) = (x.reduce(0, +) / size, y.reduce(0, +) / size)
    let slope =
      zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
      / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    // The integral of exp(a - b sqrt(i)) beyond the last one.
    let (decay, last) = (-slope, Double(count).squareRoot())
    hidden =
      2 * exp(meanY + slope * (last - meanX)) * (last / decay + 1 / (decay * decay))
  }
}
