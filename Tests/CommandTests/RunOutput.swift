import Foundation
import TestSupport
import ParticleIO

/// What `kindred average` left in a folder.
struct RunOutput {
  let neighbours: [Int32]
  let affinity: [Float]
  let rotation: [Float]
  let reflected: [UInt8]
  /// The shape of each of the four arrays.
  let shapes: [[Int]]

  init(_ folder: TemporaryFolder, _ name: String) throws {
    func array<T: NPYElement>(_ file: String) throws -> ([T], [Int]) {
      let array = try NPY.read(T.self, from: folder.file("\(name)/\(file).npy"))
      return (array.values, array.shape)
    }
    var shapes = [[Int]](repeating: [], count: 4)
    (neighbours, shapes[0]) = try array("neighbours")
    (affinity, shapes[1]) = try array("affinity")
    (rotation, shapes[2]) = try array("rotation")
    (reflected, shapes[3]) = try array("reflected")
    self.shapes = shapes
  }

  static let fileNames = [
    "affinity.npy", "averages.mrcs", "averages.star", "eigenimages.mrcs", "mean.mrc",
    "neighbours.npy", "probability.npy", "reflected.npy", "rotation.npy", "run.json", "shift.npy",
  ]

  static func record(_ folder: TemporaryFolder, _ name: String) throws -> [String: Any] {
    try JSONSerialization.jsonObject(with: folder.data("\(name)/run.json")) as? [String: Any] ?? [:]
  }

  /// All pixels of a stack, and its size.
  static func stack(_ path: String) throws -> (pixels: [Float], file: MRCFile) {
    let file = try MRCFile(path: path)
    var pixels = [Float](repeating: 0, count: file.width * file.height * file.sections)
    try pixels.withUnsafeMutableBufferPointer {
      try file.read(sections: 0..<file.sections, into: $0)
    }
    return (pixels, file)
  }
}

/// A small simulated set: easy enough that neighbours are good, in little time.
enum SmallSet {
  static let images = 300
  static let box = 33

  /// Its folder holds the set in `set`.
  static func make(_ options: [String] = [], images: Int = images) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let arguments =
      ["--images", String(images), "--box", String(box), "--pixel-size", "5.64"]
      + (options.isEmpty ? ["--snr", "1/5"] : options)
    try MadeOnce.copy(["simulate"] + arguments, to: folder.file("set")) { made in
      let run = try Command.run(["simulate", "--output", made] + arguments)
      if run.status != 0 { throw Failure(text: run.text) }
    }
    return folder
  }

  struct Failure: Error { let text: String }
}

/// `kindred average` on the set in a folder, with few neighbours.
func average(
  _ folder: TemporaryFolder, to output: String, _ options: [String] = [], ranks: Int? = nil,
  neighbours: Int = 5, suspects: Int? = 20
) throws -> Command {
  try Command.run(
    [
      "average", folder.file("set/particles.star"), "--output", folder.file(output),
      "--neighbours", String(neighbours),
    ] + (suspects.map { ["--suspects", String($0)] } ?? []) + options, ranks: ranks)
}
