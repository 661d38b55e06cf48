import Foundation

/// A central projection of a volume on circles, by angular frequency. One instance a thread.
package struct ProjectionValues {
  /// L: angular frequencies beyond it are zero.
  package let degree: Int
  /// d.
  private let rank: Int
  /// Angles on half a circle, whole vectors of them: the other half repeats even degrees and negates odd ones.
  package let angles: Int
  private let cosines: [Float]
  private let sines: [Float]
  /// cos k theta and sin k theta at the angles, [k][vector][2].
  private let waves: [SIMD16<Float>]
  /// Values of the even and the odd degrees, [(parity d + j) vectors + vector].
  package private(set) var values: [SIMD16<Float>]
  package let vectors: Int

  package init(_ volume: SimulatedVolume) {
    (degree, rank) = (volume.degree, volume.rank)
    vectors = (volume.degree + 1 + 15) / 16
    angles = 16 * vectors
    (cosines, sines) = Self.circle(angles: angles)
    values = .init(repeating: .zero, count: 2 * rank * vectors)
    let (cosines, sines, angles) = (cosines, sines, angles)
    waves = (0...volume.degree).flatMap { k in
      stride(from: 0, to: angles, by: 16).flatMap { start in
        [cosines, sines].map { circle in
          var wave = SIMD16<Float>.zero
          for lane in 0..<16 { wave[lane] = circle[k * (start + lane) % (2 * angles)] }
          return wave
        }
      }
    }
  }

  /// Cosines and sines of the angles of a whole circle, twice as many as on half of it.
  package static func circle(angles: Int) -> (cosines: [Float], sines: [Float]) {
    let turns = (0..<2 * angles).map { .pi * Double($0) / Double(angles) }
    return (turns.map { Float(cos($0)) }, turns.map { Float(sin($0)) })
  }

  package mutating func fill(_ volume: SimulatedVolume, orientation: RandomOrientation) {
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

  /// The coordinates of angular frequency k of the projection as a real image's complex coefficients of the real
  /// orthonormal basis: sqrt 2 a_k for k > 0.
  package func frequency(_ k: Int) -> [(Double, Double)] {
    let scale = (k == 0 ? 1 : 2.0.squareRoot()) / Double(angles)
    return (0..<rank).map { j in
      var (real, imaginary) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
      for vector in 0..<vectors {
        let value = values[((k & 1) * rank + j) * vectors + vector]
        real.addProduct(value, waves[2 * (k * vectors + vector)])
        imaginary.addProduct(value, waves[2 * (k * vectors + vector) + 1])
      }
      return (scale * Double(real.sum()), scale * Double(imaginary.sum()))
    }
  }
}
