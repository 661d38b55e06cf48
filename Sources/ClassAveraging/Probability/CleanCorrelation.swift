import Foundation
import ImageModel

/// Pearson's correlation, over all in-plane rotations, of images given by their Fourier-Bessel coefficients, inside
/// the disc of radius L/2: what decides whether two clean images are neighbours.
struct CleanCorrelation {
  private let layout: AngularLayout
  /// Of each function of k = 0, the sum of its pixels over the root of their number.
  private let means: [Double]
  /// What the images hold beyond the basis.
  private let unmodelled: UnmodelledSignal?
  /// cos and sin of k phi, eight angles phi at a time, for each block's k.
  private let cosines: [SIMD8<Double>]
  private let sines: [SIMD8<Double>]
  /// Angles that are tried, as many times eight.
  private let angleGroups: Int

  init(_ basis: FourierBesselBasis, unmodelled: UnmodelledSignal? = nil) {
    layout = basis.layout
    self.unmodelled = unmodelled
    let (sums, pixels) = ImageEnergy.discSums(basis)
    means = sums.map { $0 / pixels.squareRoot() }
    let groups = max(4, layout.frequencies.last ?? 0)
    angleGroups = groups
    let step = 2 * Double.pi / Double(8 * groups)
    let phases: [Double] = layout.frequencies.flatMap { k in
      (0..<8 * groups).map { step * Double(k * $0) }
    }
    cosines = Self.eights(phases.map { cos($0) })
    sines = Self.eights(phases.map { sin($0) })
  }

  /// The largest correlation of the first image with the second, as it is or reflected; coefficients
  /// component-major, (re, im).
  func best(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, reflected: Bool) -> Double {
    let spectrum = (0..<layout.blockCount).map { block -> (real: Double, imaginary: Double) in
      var (real, imaginary) = (0.0, 0.0)
      for i in layout.components(ofBlock: block) {
        let (x, y) = (Double(a[2 * i]), Double(a[2 * i + 1]))
        let (u, v) = (Double(b[2 * i]), reflected ? -Double(b[2 * i + 1]) : Double(b[2 * i + 1]))
        real += x * u + y * v
        imaginary += x * v - y * u
      }
      return (real, imaginary)
    }
    var (best, rotation) = (-Double.infinity, 0.0)
    for group in 0..<angleGroups {
      var sums = SIMD8<Double>.zero
      for (block, value) in spectrum.enumerated() {
        let at = block * angleGroups + group
        sums += value.real * cosines[at] - value.imaginary * sines[at]
      }
      let largest = sums.max()
      if largest > best {
        let lane = sums.indices.first { sums[$0] == largest } ?? 0
        (best, rotation) = (largest, 2 * .pi * Double(8 * group + lane) / Double(8 * angleGroups))
      }
    }
    let norm = (energy(a) * energy(b)).squareRoot()
    let seen = (best - mean(a) * mean(b)) / max(norm, .leastNormalMagnitude)
    return unmodelled?.correlation(seen: seen, a, b, reflected: reflected, rotation: rotation)
      ?? seen
  }

  private static func eights(_ values: [Double]) -> [SIMD8<Double>] {
    stride(from: 0, to: values.count, by: 8).map { SIMD8(values[$0..<$0 + 8]) }
  }

  private func mean(_ a: UnsafePointer<Float>) -> Double {
    means.enumerated().reduce(0) { $0 + $1.element * Double(a[2 * $1.offset]) }
  }

  private func energy(_ a: UnsafePointer<Float>) -> Double {
    let sum = (0..<2 * layout.componentCount).reduce(0) { $0 + Double(a[$1]) * Double(a[$1]) }
    return sum - mean(a) * mean(a)
  }
}
