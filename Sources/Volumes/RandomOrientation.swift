import Execution
import Foundation

/// Two orthonormal vectors that span a projection, uniform over all orientations (a random unit quaternion; Shoemake
/// 1992).
package struct RandomOrientation: Sendable {
  package let first: SIMD3<Float>
  package let second: SIMD3<Float>

  package init(image: Int, seed: UInt64) {
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
