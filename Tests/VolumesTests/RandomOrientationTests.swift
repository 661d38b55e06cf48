import Foundation
import TestSupport
import Testing

@testable import Volumes

@Suite struct RandomOrientationTests {
  private let count = 20_000

  /// The nine elements of the rotation of which a projection's vectors are the first columns.
  private func elements(seed: UInt64) -> [[Double]] {
    (0..<count).map { image in
      let orientation = RandomOrientation(image: image, seed: seed)
      let (a, b) = (SIMD3<Double>(orientation.first), SIMD3<Double>(orientation.second))
      let normal = SIMD3(
        a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
      return [a, b, normal].flatMap { [$0.x, $0.y, $0.z] }
    }
  }

  @Test("A slice's vectors are orthonormal")
  func orthonormal() {
    for image in 0..<1000 {
      let orientation = RandomOrientation(image: image, seed: 3)
      let (a, b) = (orientation.first, orientation.second)
      #expect(abs((a * a).sum() - 1) < 1e-6 && abs((b * b).sum() - 1) < 1e-6)
      #expect(abs((a * b).sum()) < 1e-6)
    }
  }

  @Test("Orientations are uniform over the rotations")
  func uniform() {
    #expect(deviationsFromUniformRotations(elements(seed: 77)) == [])
  }

  @Test("Images and seeds have orientations of their own")
  func independence() {
    let (one, other) = (elements(seed: 5), elements(seed: 6))
    let error = 5 / Double(count).squareRoot()
    for i in 0..<9 {
      let seeds = zip(one, other).reduce(0) { $0 + $1.0[i] * $1.1[i] } / Double(count)
      let images = zip(one, one.dropFirst()).reduce(0) { $0 + $1.0[i] * $1.1[i] } / Double(count)
      #expect(abs(seeds) < error / 3 && abs(images) < error / 3)
    }
  }
}
