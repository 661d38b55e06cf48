import Foundation
import Fourier
import ImageModel
import LinearAlgebra

/// Inner products of images inside the disc of radius L/2, less their means there, from their principal
/// coordinates: what Pearson's correlation of images is made of. Only k = 0 has a mean.
struct ImageEnergy {
  private let layout: AngularLayout
  /// Inner products of the eigenimages of each block, r_k x r_k.
  let gram: [Matrix]
  /// Inner products of the mean image with the eigenimages of k = 0, and with itself.
  private let meanProducts: [Double]
  private let meanEnergy: Double
  /// The expected energy of a clean image less the mean image.
  let prior: Double

  init(_ posterior: PosteriorModel, basis: FourierBesselBasis) {
    let layout = posterior.layout
    self.layout = layout
    let disc = Self.discSums(basis)
    let (sums, pixels) = disc
    let (meanSum, meanEnergy) = Self.sumAndEnergy(of: posterior.mean, disc)
    self.meanEnergy = meanEnergy
    var products: [Double] = []
    let gram = (0..<layout.blockCount).map { block in
      let vectors = posterior.synthesis[block]
      var gram = vectors.transposed * vectors
      if layout.frequencies[block] == 0 {
        let own = vectors.transposed.times(sums)
        for i in 0..<gram.rows {
          for j in 0..<gram.columns { gram[i, j] -= own[i] * own[j] / pixels }
        }
        products = zip(vectors.transposed.times(posterior.mean), own).map {
          $0 - $1 * meanSum / pixels
        }
      }
      return gram
    }
    self.gram = gram
    meanProducts = products
    var prior = 0.0
    for (block, k) in layout.frequencies.enumerated() {
      prior += Double(ImageModel.multiplicity(ofBlock: k)) * gram[block].trace
    }
    self.prior = prior
  }

  /// The sum over the disc's pixels of each radial function of k = 0; how many pixels there are.
  static func discSums(_ basis: FourierBesselBasis) -> (sums: [Double], pixels: Double) {
    let centre = basis.size / 2
    var sums = [Double](repeating: 0, count: basis.layout.components(ofBlock: 0).count)
    var pixels = 0.0
    for (square, count) in circles(size: basis.size) where square <= centre * centre {
      let r = Double(square).squareRoot()
      let bessel = besselJs(through: 0, at: 2 * .pi * basis.bandLimit * r)
      let radial = basis.realRadial(block: 0, at: r, bessel: bessel[0])
      for q in sums.indices { sums[q] += Double(count) * radial[q] }
      pixels += Double(count)
    }
    return (sums, pixels)
  }

  /// The sum of the pixels of an image of angular frequency 0 in the disc, and its energy less their mean.
  /// - Parameters:
  ///   - coefficients: of block k = 0.
  ///   - disc: `discSums`.
  static func sumAndEnergy(
    of coefficients: [Double], _ disc: (sums: [Double], pixels: Double)
  ) -> (sum: Double, energy: Double) {
    let sum = zip(disc.sums, coefficients).reduce(0) { $0 + $1.0 * $1.1 }
    return (sum, coefficients.reduce(0) { $0 + $1 * $1 } - sum * sum / disc.pixels)
  }

  /// Pixels at each squared distance from the centre.
  private static func circles(size: Int) -> [(square: Int, count: Int)] {
    var counts: [Int: Int] = [:]
    for row in 0..<size {
      for column in 0..<size {
        let (y, x) = (row - size / 2, column - size / 2)
        counts[y * y + x * x, default: 0] += 1
      }
    }
    return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The energy of an image less the mean image; coordinates component-major, (re, im).
  func fluctuation(_ a: UnsafePointer<Float>) -> Double {
    covariation(a, a, .identity)
  }

  /// The energy of an image; coordinates component-major, (re, im).
  func total(_ a: UnsafePointer<Float>) -> Double { product(a, a, .identity) }

  /// The inner product of the first image with the second, aligned.
  func product(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ alignment: Alignment
  ) -> Double {
    var sum = meanEnergy + covariation(a, b, alignment)
    for (i, product) in meanProducts.enumerated() {
      sum += product * Double(a[2 * i] + b[2 * i])
    }
    return sum
  }

  private func covariation(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ alignment: Alignment
  ) -> Double {
    var sum = 0.0
    layout.forEachPhase(of: Double(alignment.rotation)) { block, _, phase in
      let components = layout.components(ofBlock: block)
      let gram = gram[block]
      // z = a^H G b, with b as it is or conjugate.
      var (real, imaginary) = (0.0, 0.0)
      for (i, first) in components.enumerated() {
        var (re, im) = (0.0, 0.0)
        for (j, second) in components.enumerated() {
          re += gram[i, j] * Double(b[2 * second])
          im += gram[i, j] * Double(b[2 * second + 1])
        }
        if alignment.isReflected { im = -im }
        let (x, y) = (Double(a[2 * first]), Double(a[2 * first + 1]))
        real += x * re + y * im
        imaginary += x * im - y * re
      }
      sum += real * phase.x - imaginary * phase.y
    }
    return sum
  }
}

/// The posterior variance of a class's image, as a function of what its members weigh in all.
struct ClassUncertainty {
  private let variances: [Double]
  private let largestWeight: Double
  private static let steps = 32

  /// - Parameter groups: of all images: a class draws its members from all groups.
  /// - Throws: `LAPACKError` where a matrix cannot be factored.
  init(posterior: PosteriorModel, groups: [Int32], energy: ImageEnergy, largestWeight: Double)
    throws
  {
    self.largestWeight = max(largestWeight, 1 + 1e-6)
    let mean = posterior.information(weight: 1, of: groups)
    var variances = [Double](repeating: 0, count: Self.steps + 1)
    for (block, k) in posterior.layout.frequencies.enumerated() {
      let r = posterior.layout.components(ofBlock: block).count
      for step in 0...Self.steps {
        let weight = pow(self.largestWeight, Double(step) / Double(Self.steps))
        let inverse = try Cholesky(.identity(r) + weight * mean[block]).inverse()
        variances[step] +=
          Double(ImageModel.multiplicity(ofBlock: k)) * (energy.gram[block] * inverse).trace
      }
    }
    self.variances = variances
  }

  /// The expected energy of the difference between the clean image and the class's mean, where members
  /// weigh `weight` in all, the image itself 1: interpolated in the logarithm of the weight.
  func variance(weight: Double) -> Double {
    let at = Double(Self.steps) * log(max(1, weight)) / log(largestWeight)
    let below = min(Self.steps - 1, Int(at))
    let share = min(1, at - Double(below))
    return variances[below] * (1 - share) + variances[below + 1] * share
  }
}
