import Foundation
import TestSupport
import Testing

/// Options of `simulate` that are refused, on any number of ranks, and what the message says.
struct SimulationMistake: CustomTestStringConvertible, Sendable {
  let options: [String]
  let message: String

  var testDescription: String { options.joined(separator: " ") }

  init(_ options: [String], _ message: String) { (self.options, self.message) = (options, message) }

  static let all = [
    SimulationMistake(["--snr", "0"], "signal-to-noise ratio"),
    SimulationMistake(["--images", "0"], "0 images"),
    SimulationMistake(["--box", "7"], "box of 7 pixels"),
    SimulationMistake(["--map", "missing.mrc"], "missing.mrc"),
    SimulationMistake(["--map", "flat.mrc"], "16 x 16 x 8"),
    SimulationMistake(["--map", "nan.mrc"], "voxel (3, 2, 9)"),
    SimulationMistake(["--map", "empty.mrc"], "variance"),
    SimulationMistake(["--defocus", "1"], "--defocus"),
    SimulationMistake(["--pixel-size=-1"], "pixel size"),
    SimulationMistake(["--defocus-groups", "0"], "0 defocus groups"),
  ]

  /// A folder of maps that are not as maps have to be.
  static func maps() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    var cube = [Float](repeating: 0, count: 16 * 16 * 16)
    try folder.write(map(cube, sections: 16), to: "empty.mrc")
    try folder.write(map(Array(cube.prefix(16 * 16 * 8)), sections: 8), to: "flat.mrc")
    cube[9 * 256 + 2 * 16 + 3] = .nan
    try folder.write(map(cube, sections: 16), to: "nan.mrc")
    return folder
  }

  /// The command line with that folder.
  func arguments(_ folder: TemporaryFolder) -> [String] {
    ["simulate", "--output", folder.file("out"), "--images", "20"]
      + options.map { $0.hasSuffix(".mrc") ? folder.file($0) : $0 }
  }

  /// The MRC header's fields that a reader needs, then the values.
  private static func map(_ values: [Float], sections: Int) -> Data {
    var header = [Int32](repeating: 0, count: 256)
    header.replaceSubrange(0..<4, with: [16, 16, Int32(sections), 2])
    header[52] = Int32(bitPattern: 0x2050_414D)
    header[53] = 0x4444
    return header.withUnsafeBytes { Data($0) } + values.withUnsafeBytes { Data($0) }
  }
}
