import Foundation
import ParticleIO
import TestSupport

/// A picture made of Gaussians, as a function of the plane: x to the right, y downwards, the origin in
/// the centre pixel. Turned and mirrored exactly.
struct Picture {
  struct Blob {
    var x, y, width, height: Double
  }
  var blobs: [Blob]

  static let first = Picture(blobs: [
    Blob(x: 6, y: 1, width: 1.8, height: 1), Blob(x: -3, y: 5, width: 2.2, height: 0.8),
    Blob(x: -4, y: -6, width: 1.5, height: 1.2), Blob(x: 2, y: -8, width: 2, height: 0.5),
  ])
  static let second = Picture(blobs: [
    Blob(x: 8, y: -2, width: 2, height: 1), Blob(x: -8, y: 1, width: 1.6, height: 1),
    Blob(x: 1, y: 3, width: 2.5, height: 0.7),
  ])

  /// Turned from the columns' direction towards the rows': with y downwards the right goes down.
  func turned(_ degrees: Double) -> Picture {
    let c = cos(degrees * .pi / 180)
    let s = sin(degrees * .pi / 180)
    return Picture(
      blobs: blobs.map {
        Blob(x: c * $0.x - s * $0.y, y: c * $0.y + s * $0.x, width: $0.width, height: $0.height)
      })
  }

  /// Upside down.
  var mirrored: Picture {
    Picture(blobs: blobs.map { Blob(x: $0.x, y: -$0.y, width: $0.width, height: $0.height) })
  }

  func value(_ x: Double, _ y: Double) -> Double {
    blobs.reduce(0) { sum, b in
      let square = (x - b.x) * (x - b.x) + (y - b.y) * (y - b.y)
      return sum + b.height * exp(-square / (2 * b.width * b.width))
    }
  }

  func pixels(side: Int) -> [Float] {
    (0..<side * side).map {
      Float(value(Double($0 % side - side / 2), Double($0 / side - side / 2)))
    }
  }
}

/// Four images in files: a picture, the same turned by 40 degrees, the same mirrored and then turned
/// by 25 degrees, and another picture; each has the other three as neighbours.
struct SyntheticSet {
  static let side = 33
  static let pictures = [
    Picture.first, Picture.first.turned(40), Picture.first.mirrored.turned(25), Picture.second,
  ]
  /// Rot and tilt in degrees.
  static let angles: [(rot: Double, tilt: Double)] = [(0, 0), (30, 8), (0, 176), (0, 90)]
  static let neighbours: [Int32] = [1, 2, 3, 0, 2, 3, 1, 0, 3, 0, 1, 2]
  static let reflected: [UInt8] = [0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0]
  /// By hand: M R(a) M = R(-a) for the mirror M and the turn R.
  static let rotation: [Float] = [-40, 25, 0, 40, 65, 0, 65, 25, 0, 0, 0, 0]

  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try writeStack("clean.mrcs", Self.pictures.map { $0.pixels(side: Self.side) })
    try writeTruth()
    try write(Self.neighbours, "neighbours.npy")
    try write(Self.reflected, "reflected.npy")
    try write(Self.rotation, "rotation.npy")
  }

  func write<T: NPYElement>(_ values: [T], _ name: String, rows: Int = 4) throws {
    try NPY.write(values, shape: [rows, values.count / rows], to: folder.file(name))
  }

  func writeStack(_ name: String, _ images: [[Float]], side: Int = Self.side) throws {
    let writer = try MRCWriter(
      path: folder.file(name), width: side, height: side, sections: images.count, pixelSize: 1,
      content: .imageStack)
    for image in images { try image.withUnsafeBufferPointer { try writer.append($0) } }
    try writer.finish()
  }

  func writeTruth(_ count: Int = 4) throws {
    let rows = Self.angles.prefix(count).map { "\($0.rot) \($0.tilt) 77.0\n" }.joined()
    let text =
      "data_particles\n\nloop_\n_rlnAngleRot #1\n_rlnAngleTilt #2\n_rlnAnglePsi #3\n" + rows
    try text.write(toFile: folder.file("truth.star"), atomically: true, encoding: .utf8)
  }

  func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: folder.file(name))
  }
}
