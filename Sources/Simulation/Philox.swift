import Foundation

/// The counter-based generator Philox4x32 with ten rounds (Salmon, Moraes, Dror, Shaw, "Parallel
/// random numbers: as easy as 1, 2, 3", SC11): 128 random bits are a function of a counter and a
/// key, so that any rank makes any image's numbers without making those before.
enum Philox {
  private static let multipliers: SIMD2<UInt32> = [0xD251_1F53, 0xCD9E_8D57]
  private static let weyl: SIMD2<UInt32> = [0x9E37_79B9, 0xBB67_AE85]

  /// The four random words of one counter.
  static func block(_ counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var word = counter
    var key = key
    for round in 0..<10 {
      if round > 0 { key &+= weyl }
      let first = multipliers.x.multipliedFullWidth(by: word.x)
      let second = multipliers.y.multipliedFullWidth(by: word.z)
      word = [
        second.high ^ word.y ^ key.x, second.low, first.high ^ word.w ^ key.y, first.low,
      ]
    }
    return word
  }
}

/// The random numbers of one image for one purpose, a function of the seed, the image's index and
/// the purpose only.
struct RandomStream {
  /// What the numbers are for; different purposes never share numbers.
  enum Purpose: UInt32 {
    case orientation = 0
    case noise = 1
  }

  private let key: SIMD2<UInt32>
  private let image: UInt64
  private let purpose: Purpose

  init(seed: UInt64, image: Int, purpose: Purpose) {
    key = [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)]
    self.image = UInt64(image)
    self.purpose = purpose
  }

  /// Four numbers, uniform on the midpoints of 2^32 equal parts of (0, 1).
  func uniform(block index: Int) -> SIMD4<Double> {
    let words = Philox.block(
      [
        UInt32(index), purpose.rawValue, UInt32(truncatingIfNeeded: image),
        UInt32(truncatingIfNeeded: image >> 32),
      ], key: key)
    return (SIMD4<Double>(words) + 0.5) * 0x1p-32
  }

  /// Writes independent standard normal numbers.
  func fillNormals(_ values: UnsafeMutableBufferPointer<Double>) {
    for start in stride(from: 0, to: values.count, by: 4) {
      let normals = normals(block: start / 4)
      for lane in 0..<min(4, values.count - start) { values[start + lane] = normals[lane] }
    }
  }

  /// Four independent standard normal numbers (Box and Muller 1958).
  func normals(block index: Int) -> SIMD4<Double> {
    let u = uniform(block: index)
    let (r0, r1) = ((-2 * log(u.x)).squareRoot(), (-2 * log(u.z)).squareRoot())
    let (a0, a1) = (2 * Double.pi * u.y, 2 * Double.pi * u.w)
    return [r0 * cos(a0), r0 * sin(a0), r1 * cos(a1), r1 * sin(a1)]
  }
}

extension Orientation {
  /// The orientation of one image of a simulation: uniform over all rotations, that is uniform rot
  /// and psi in (-180, 180) degrees and uniform cosine of tilt in (-1, 1).
  public static func random(image: Int, seed: UInt64) -> Orientation {
    let u = RandomStream(seed: seed, image: image, purpose: .orientation).uniform(block: 0)
    return Orientation(
      rot: 360 * u.x - 180, tilt: acos(1 - 2 * u.y) * 180 / .pi, psi: 360 * u.z - 180)
  }
}
