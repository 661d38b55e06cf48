import Foundation
import MPI
import ParticleIO

/// What is known of the images of a simulated set.
struct SimulationTruth {
  /// The noise-free images, without CTF.
  package let clean: MRCFile
  /// The viewing direction of each image, a unit vector.
  package let directions: [SIMD3<Double>]

  package var count: Int { clean.sections }

  /// Opens `clean.mrcs` in `folder` and reads the orientations beside it: `truth.star` (RELION's
  /// Euler angles), or `rotations.npy` (n x 3 x 3, single precision; the viewing direction is the
  /// third column). Throws `InputError`.
  init(folder: String) throws {
    let path = folder + "/clean.mrcs"
    clean = try MRCFile(path: path)
    guard clean.width == clean.height, clean.width >= 4 else {
      throw InputError(
        file: path,
        "images of \(clean.width) x \(clean.height) pixels; square ones of at least 4 x 4 expected")
    }
    let star = folder + "/truth.star"
    let matrices = folder + "/rotations.npy"
    if FileManager.default.fileExists(atPath: star) {
      directions = try Self.directions(star: star)
      try check(count: directions.count, of: star)
    } else if FileManager.default.fileExists(atPath: matrices) {
      directions = try Self.directions(matrices: matrices)
      try check(count: directions.count, of: matrices)
    } else {
      throw InputError(file: star, "no such file, and no rotations.npy beside it")
    }
  }

  private func check(count: Int, of file: String) throws {
    guard count == self.count else {
      throw InputError(
        file: file, "holds \(count) orientations for the \(self.count) images of \(clean.path)")
    }
  }

  private static func directions(matrices path: String) throws -> [SIMD3<Double>] {
    let (values, shape) = try NPY.read(Float.self, from: path)
    guard shape.count == 3, shape[1] == 3, shape[2] == 3 else {
      throw InputError(file: path, "an array of shape \(shape); (images, 3, 3) expected")
    }
    return stride(from: 0, to: values.count, by: 9).map { start in
      SIMD3<Double>(SIMD3<Float>(values[start + 2], values[start + 5], values[start + 8]))
    }
  }

  private static func directions(star path: String) throws -> [SIMD3<Double>] {
    let tables = try STARFile.read(path: path).tables(withColumn: "rlnAngleRot")
    guard tables.count == 1 else {
      throw InputError(
        file: path, "\(tables.count) tables have the column rlnAngleRot; one expected")
    }
    let rots = try tables[0].doubles("rlnAngleRot")
    let tilts = try tables[0].doubles("rlnAngleTilt")
    return zip(rots, tilts).map { ViewingDirection.vector(rot: $0, tilt: $1) }
  }
}
