/// The random numbers of one image for one purpose, a function of the seed, the image's index and
/// the purpose only.
package struct RandomStream {
  /// What the numbers are for; different purposes never share numbers.
  package enum Purpose: UInt32 {
    case orientation = 0
    case noise = 1
  }

  private let key: SIMD2<UInt32>
  private let image: UInt64
  private let purpose: Purpose

  package init(seed: UInt64, image: Int, purpose: Purpose) {
    key = [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)]
    self.image = UInt64(image)
    self.purpose = purpose
  }

  /// Four numbers, uniform on the midpoints of 2^32 equal parts of (0, 1).
  package func uniform(block index: Int) -> SIMD4<Double> {
    let words = Philox.block(
      [
        UInt32(index), purpose.rawValue, UInt32(truncatingIfNeeded: image),
        UInt32(truncatingIfNeeded: image >> 32),
      ], key: key)
    return (SIMD4<Double>(words) + 0.5) * 0x1p-32
  }

  /// Writes independent standard normal numbers.
  package func fillNormals(_ values: UnsafeMutableBufferPointer<Double>) {
    for start in stride(from: 0, to: values.count, by: 4) {
      let normals = normals(block: start / 4)
      for lane in 0..<min(4, values.count - start) { values[start + lane] = normals[lane] }
    }
  }

  /// Four independent standard normal numbers.
  package func normals(block index: Int) -> SIMD4<Double> {
    let u = uniform(block: index)
    let (first, second) = (normalPair(u.x, u.y), normalPair(u.z, u.w))
    return [first.0, first.1, second.0, second.1]
  }
}
