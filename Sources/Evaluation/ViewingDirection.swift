import Foundation

/// Viewing directions and the angles between them.
enum ViewingDirection {
  /// The viewing direction of RELION's Euler angles in degrees, a unit vector: the third row of the
  /// matrix that carries object coordinates to image coordinates, Rz(psi) Ry(tilt) Rz(rot). The
  /// in-plane angle psi does not move it.
  ///
  /// Source: RELION, `Euler_angles2matrix` in `src/euler.cpp`.
  package static func vector(rot: Double, tilt: Double) -> SIMD3<Double> {
    let r = rot * .pi / 180
    let t = tilt * .pi / 180
    return SIMD3(sin(t) * cos(r), sin(t) * sin(r), cos(t))
  }

  /// The angle in degrees, 0 to 180, between `first` and `second`, or its opposite where the second
  /// image is mirrored: the mirror image of a projection is the projection from behind.
  package static func angle(
    _ first: SIMD3<Double>, _ second: SIMD3<Double>, isReflected: Bool
  ) -> Double {
    let other = isReflected ? -second : second
    let across = SIMD3(
      first.y * other.z - first.z * other.y, first.z * other.x - first.x * other.z,
      first.x * other.y - first.y * other.x)
    // Unlike the arc cosine alone, accurate for small angles.
    return atan2((across * across).sum().squareRoot(), (first * other).sum()) * 180 / .pi
  }
}
