import Foundation

/// How a map was turned before it was projected, by RELION's Euler angles in degrees.
///
/// The rotation matrix is the one of RELION's `Euler_angles2matrix`, A = Rz(psi) Ry(tilt) Rz(rot)
/// with passive rotations (the ZYZ convention of Heymann, Chagoyen, Belnap 2005). It takes map
/// coordinates to image coordinates, both with their origin in the centre (voxel and pixel L/2,
/// counted from 0, integer division): a point r of the map is seen at (x, y) = (A r)_x, (A r)_y, x
/// along the rows of the image (the fastest index), y towards the later rows, and the image is the
/// integral over (A r)_z. The columns of an image and the sections of a map follow the same sense,
/// so that rot = tilt = psi = 0 is the sum of the sections.
///
/// A row of A is an axis of the image in map coordinates. The third row is the viewing direction,
///
///     v = (sin tilt cos rot, sin tilt sin rot, cos tilt),
///
/// the vector that A takes to the z axis. psi does not change it: two images of equal v differ by a
/// rotation in the plane.
public struct Orientation: Sendable, Hashable, BitwiseCopyable {
  /// rlnAngleRot, in degrees.
  public var rot: Double
  /// rlnAngleTilt, in degrees.
  public var tilt: Double
  /// rlnAnglePsi, in degrees.
  public var psi: Double

  /// The orientation of RELION's three angles, in degrees.
  public init(rot: Double, tilt: Double, psi: Double) {
    self.rot = rot
    self.tilt = tilt
    self.psi = psi
  }

  /// The image's x axis in map coordinates, the first row of the rotation matrix.
  public var xAxis: SIMD3<Double> {
    let (a, b, g) = (turn(rot), turn(tilt), turn(psi))
    return [
      g.cosine * b.cosine * a.cosine - g.sine * a.sine,
      g.cosine * b.cosine * a.sine + g.sine * a.cosine,
      -g.cosine * b.sine,
    ]
  }

  /// The image's y axis in map coordinates, the second row of the rotation matrix.
  public var yAxis: SIMD3<Double> {
    let (a, b, g) = (turn(rot), turn(tilt), turn(psi))
    return [
      -g.sine * b.cosine * a.cosine - g.cosine * a.sine,
      -g.sine * b.cosine * a.sine + g.cosine * a.cosine,
      g.sine * b.sine,
    ]
  }

  /// The third row of the rotation matrix, a unit vector in map coordinates.
  public var viewingDirection: SIMD3<Double> {
    Orientation.viewingDirection(rot: rot, tilt: tilt, psi: psi)
  }

  /// The viewing direction of an image with these Euler angles, in degrees.
  public static func viewingDirection(rot: Double, tilt: Double, psi: Double) -> SIMD3<Double> {
    let (a, b) = (turn(rot), turn(tilt))
    return [b.sine * a.cosine, b.sine * a.sine, b.cosine]
  }

  /// The rows of the rotation matrix.
  public var rotationMatrix: [SIMD3<Double>] { [xAxis, yAxis, viewingDirection] }
}

/// The sine and the cosine of an angle in degrees.
private func turn(_ degrees: Double) -> (sine: Double, cosine: Double) {
  let angle = degrees * .pi / 180
  return (sin(angle), cos(angle))
}
