import Execution
import Foundation

extension Orientation {
  /// The orientation of one image of a simulation: uniform over all rotations, that is uniform rot
  /// and psi in (-180, 180) degrees and uniform cosine of tilt in (-1, 1).
  public static func random(image: Int, seed: UInt64) -> Orientation {
    let u = RandomStream(seed: seed, image: image, purpose: .orientation).uniform(block: 0)
    return Orientation(
      rot: 360 * u.x - 180, tilt: acos(1 - 2 * u.y) * 180 / .pi, psi: 360 * u.z - 180)
  }
}
