import Foundation
import LinearAlgebra

/// A random volume of given shell correlations, by its spherical harmonics without degree 0.
///
/// Signs that depend on the degree only are left out: they change no inner product of two projections.
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

  /// B_l = sqrt(2l + 1) X_l^{1/2} O_l with random orthonormal rows O_l.
  static func coefficients(drawnFrom correlation: ShellCorrelation, seed: UInt64) throws -> [Float]
  {
    var result: [Float] = []
    for (l, matrix) in correlation.degrees.enumerated() {
      let (d, orders) = (matrix.rows, 2 * l + 1)
      let eigen = try SymmetricEigen(matrix)
      var part = [Float](repeating: 0, count: orders * d)
      let rows = orthonormalRows(min(d, orders), of: orders, seed: seed, stream: l)
      for (s, row) in rows.enumerated() {
        let scale = (Double(orders) * max(0, eigen.values[s])).squareRoot()
        for m in 0..<orders {
          for j in 0..<d { part[m * d + j] += Float(scale * row[m] * eigen.vectors[j, s]) }
        }
      }
      result += part
    }
    return result
  }

  /// Random orthonormal vectors (Gram and Schmidt on normal numbers).
  private static func orthonormalRows(_ count: Int, of length: Int, seed: UInt64, stream: Int)
    -> [[Double]]
  {
    var rows: [[Double]] = []
    for row in 0..<count {
      let normals = NormalNumbers(seed: ~seed, image: stream << 16 | row, count: length)
      var vector = (0..<length).map { normals.pair($0).0 }
      // Twice, against rounding.
      for _ in 0..<2 {
        for other in rows {
          let product = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          for i in 0..<length { vector[i] -= product * other[i] }
        }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      rows.append(vector.map { $0 / norm })
    }
    return rows
  }
}

/// A central slice of a volume on circles, by angular frequency. One instance a thread.
struct SliceValues {
  /// d.
  private let rank: Int
  /// Angles on half a circle, whole vectors of them: the other half repeats even degrees and negates odd ones.
  private let angles: Int
  private let cosines: [Float]
  private let sines: [Float]
  /// Values of the even and the odd degrees, [(parity d + j) vectors + vector].
  private var values: [SIMD16<Float>]
  private let vectors: Int

  init(_ volume: SimulatedVolume) {
    rank = volume.rank
    vectors = (volume.degree + 1 + 15) / 16
    angles = 16 * vectors
    cosines = (0..<2 * angles).map { [angles] in Float(cos(.pi * Double($0) / Double(angles))) }
    sines = (0..<2 * angles).map { [angles] in Float(sin(.pi * Double($0) / Double(angles))) }
    values = .init(repeating: .zero, count: 2 * rank * vectors)
  }

  mutating func fill(_ volume: SimulatedVolume, orientation: RandomOrientation) {
    let (u, v) = (orientation.first, orientation.second)
    let (rank, vectors) = (rank, vectors)
    cosines.withUnsafeBytes { cosines in
      sines.withUnsafeBytes { sines in
        volume.coefficients.withUnsafeBufferPointer { coefficients in
          values.withUnsafeMutableBufferPointer { values in
            for i in values.indices { values[i] = .zero }
            for vector in 0..<vectors {
              let c = cosines.loadUnaligned(fromByteOffset: 64 * vector, as: SIMD16<Float>.self)
              let s = sines.loadUnaligned(fromByteOffset: 64 * vector, as: SIMD16<Float>.self)
              volume.harmonics.forEach(
                x: u.x * c + v.x * s, y: u.y * c + v.y * s, z: u.z * c + v.z * s
              ) { l, m, value in
                let source = coefficients.baseAddress! + (l * l + l + m) * rank
                let target = values.baseAddress! + (l & 1) * rank * vectors + vector
                for j in 0..<rank {
                  target[j * vectors].addProduct(SIMD16(repeating: source[j]), value)
                }
              }
            }
          }
        }
      }
    }
  }

  /// The coordinates of angular frequency k of the slice as a real image's complex coefficients of the real
  /// orthonormal basis: sqrt 2 a_k for k > 0.
  func frequency(_ k: Int) -> [(Double, Double)] {
    let scale = (k == 0 ? 1 : 2.0.squareRoot()) / Double(angles)
    return (0..<rank).map { j in
      var (real, imaginary) = (0.0, 0.0)
      for vector in 0..<vectors {
        let value = values[((k & 1) * rank + j) * vectors + vector]
        for lane in 0..<16 {
          let angle = k * (16 * vector + lane) % (2 * angles)
          real += Double(value[lane] * cosines[angle])
          imaginary += Double(value[lane] * sines[angle])
        }
      }
      return (scale * real, scale * imaginary)
    }
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
