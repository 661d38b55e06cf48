import Foundation

/// A volume by the spherical harmonics of its Fourier transform, without degree 0: their even degrees are its real
/// part, the odd ones its imaginary part.
struct SimulatedVolume {
  /// L.
  let degree: Int
  /// d radial coordinates of each harmonic.
  let rank: Int
  /// [(l^2 + l + m) d + j].
  let coefficients: [Float]
  let harmonics: SphericalHarmonics

  init(coefficients: [Float], degree: Int, rank: Int) {
    (self.coefficients, self.degree, self.rank) = (coefficients, degree, rank)
    harmonics = SphericalHarmonics(degree: degree)
  }
}

/// Two orthonormal vectors that span a slice, uniform over all orientations (a random unit quaternion; Shoemake
/// 1992).
struct RandomOrientation {
  let first: SIMD3<Float>
  let second: SIMD3<Float>

  init(image: Int, seed: UInt64) {
    let u = (0..<3).map {
      CounterRandom.uniform(seed: seed ^ 0x0512, counter: UInt64(3 * image + $0))
    }
    let (a, b) = ((1 - u[0]).squareRoot(), u[0].squareRoot())
    let (x, y) = (a * sin(2 * .pi * u[1]), a * cos(2 * .pi * u[1]))
    let (z, w) = (b * sin(2 * .pi * u[2]), b * cos(2 * .pi * u[2]))
    first = [
      Float(1 - 2 * (y * y + z * z)), Float(2 * (x * y + z * w)), Float(2 * (x * z - y * w)),
    ]
    second = [
      Float(2 * (x * y - z * w)), Float(1 - 2 * (x * x + z * z)), Float(2 * (y * z + x * w)),
    ]
  }
}

/// Pairs of independent standard normal numbers of one image (Box and Muller 1958).
struct NormalNumbers {
  private let numbers: [(Double, Double)]

  init(seed: UInt64, image: Int, count: Int) {
    numbers = (0..<count).map { i in
      let counter = UInt64(image * count + i) * 2
      let radius = (-2 * log(CounterRandom.uniform(seed: seed, counter: counter))).squareRoot()
      let angle = 2 * .pi * CounterRandom.uniform(seed: seed, counter: counter + 1)
      return (radius * cos(angle), radius * sin(angle))
    }
  }

  func pair(_ i: Int) -> (Double, Double) { numbers[i] }
}
