import Foundation
import MPI
import ParticleIO

/// The neighbours that a run found: rows of images, best neighbour first.
///
/// The in-plane rotation follows the convention of `rotation.npy`: where `reflected`, neighbour j is
/// mirrored in its rows (y to -y about the centre pixel); then rotating it by `rotation` degrees, from
/// the direction of growing columns towards that of growing rows, aligns it to image i.
struct RunTable {
  /// The number of rows.
  package var images: Int
  /// Neighbours in a row.
  package var width: Int
  /// images x width: 0-based indices, or -1 where a left-out image has no neighbour.
  package var neighbours: [Int32]
  /// images x width: 1 where the neighbour is mirrored.
  package var reflected: [UInt8]
  /// images x width: degrees.
  package var rotation: [Float]
  /// images x width: probabilities of being a true neighbour; empty where the run has none.
  package var probability: [Float] = []

  /// Reads the first `width` neighbours (all, when nil) of the run in `folder`, made from `images`
  /// images. Throws `InputError`.
  package static func read(folder: String, width: Int?, images: Int, truth: String) throws
    -> RunTable
  {
    let path = folder + "/neighbours.npy"
    let (neighbours, shape) = try NPY.read(Int32.self, from: path)
    guard shape.count == 2, shape[1] > 0 else {
      throw InputError(file: path, "an array of shape \(shape); (images, neighbours) expected")
    }
    guard shape[0] == images else {
      throw InputError(
        file: path, "neighbours of \(shape[0]) images; \(truth) holds \(images) images")
    }
    let stored = shape[1]
    let width = width ?? stored
    guard width >= 1, width <= stored else {
      throw InputError(
        file: path, "holds \(stored) neighbours per image; \(width) were asked for")
    }
    func column<T: NPYElement>(_ type: T.Type, _ name: String) throws -> [T] {
      let path = folder + "/" + name
      let (values, found) = try NPY.read(type, from: path)
      guard found == shape else {
        throw InputError(
          file: path, "an array of shape \(found); \(shape) as neighbours.npy expected")
      }
      return values
    }
    func first<T>(_ values: [T]) -> [T] {
      width == stored
        ? values
        : (0..<images).flatMap { values[$0 * stored..<$0 * stored + width] }
    }
    var table = RunTable(
      images: images, width: width, neighbours: first(neighbours),
      reflected: first(try column(UInt8.self, "reflected.npy")),
      rotation: first(try column(Float.self, "rotation.npy")))
    if FileManager.default.fileExists(atPath: folder + "/probability.npy") {
      table.probability = first(try column(Float.self, "probability.npy"))
    }
    try table.check(file: path)
    return table
  }

  /// Refuses indices that do not exist, the image itself and an image named twice.
  private func check(file: String) throws {
    var seenBy = [Int](repeating: -1, count: images)
    for image in 0..<images {
      for slot in 0..<width {
        let neighbour = Int(neighbours[image * width + slot])
        if neighbour == -1 { continue }
        let place = "neighbour \(slot + 1)"
        guard neighbour >= 0, neighbour < images else {
          throw InputError(
            file: file, particle: image,
            "\(place) is image \(neighbour) (counted from 0) of \(images)")
        }
        guard neighbour != image else {
          throw InputError(file: file, particle: image, "\(place) is the particle itself")
        }
        guard seenBy[neighbour] != image else {
          throw InputError(
            file: file, particle: image,
            "\(place) is image \(neighbour) (counted from 0), which is in the list already")
        }
        seenBy[neighbour] = image
      }
    }
  }
}
