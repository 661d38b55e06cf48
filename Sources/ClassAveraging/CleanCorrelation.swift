import Foundation

/// Pearson's correlation, over all in-plane rotations, of images given by their Fourier-Bessel coefficients, inside
/// the disc of radius L/2: what decides whether two clean images are neighbours.
struct CleanCorrelation {
  private let layout: AngularLayout
  /// Of each function of k = 0, the sum of its pixels over the root of their number.
  private let means: [Double]
  /// What the images hold beyond the basis.
  private let unseen: UnseenSignal?

  init(_ basis: FourierBesselBasis, unseen: UnseenSignal? = nil) {
    layout = basis.layout
    self.unseen = unseen
    let (sums, pixels) = ImageEnergy.discSums(basis)
    means = sums.map { $0 / pixels.squareRoot() }
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
    let angles = 8 * max(4, layout.frequencies.last ?? 0)
    var (best, rotation) = (-Double.infinity, 0.0)
    for angle in 0..<angles {
      // Powers of exp(i angle).
      let step = 2 * .pi * Double(angle) / Double(angles)
      let (c, s) = (cos(step), sin(step))
      var (x, y) = (1.0, 0.0)
      var sum = 0.0
      for value in spectrum {
        sum += value.real * x - value.imaginary * y
        (x, y) = (x * c - y * s, x * s + y * c)
      }
      if sum > best { (best, rotation) = (sum, step) }
    }
    let norm = (energy(a) * energy(b)).squareRoot()
    let seen = (best - mean(a) * mean(b)) / max(norm, .leastNormalMagnitude)
    return unseen?.correlation(seen: seen, a, b, reflected: reflected, rotation: rotation) ?? seen
  }

  private func mean(_ a: UnsafePointer<Float>) -> Double {
    means.enumerated().reduce(0) { $0 + $1.element * Double(a[2 * $1.offset]) }
  }

  private func energy(_ a: UnsafePointer<Float>) -> Double {
    let sum = (0..<2 * layout.componentCount).reduce(0) { $0 + Double(a[$1]) * Double(a[$1]) }
    return sum - mean(a) * mean(a)
  }
}
