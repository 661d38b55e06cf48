import Foundation
import TestSupport
import Testing

/// A data set of 30 images with something wrong in it, and what the user must read about it.
struct Damage: CustomTestStringConvertible, Sendable {
  let testDescription: String
  /// Changes `set/particles.star` or `set/particles.mrcs`.
  let apply: @Sendable (TemporaryFolder) throws -> Void
  let options: [String]
  /// Every one of these must occur in the message.
  let expected: [String]

  /// A text in the STAR file and its replacement.
  init(
    _ name: String, star old: String, _ new: String, options: [String] = [], expected: String...
  ) {
    testDescription = name
    apply = { folder in
      let text = try folder.text("set/particles.star")
      let changed = text.replacingOccurrences(of: old, with: new)
      guard changed != text else { throw SmallSet.Failure(text: "no \(old) in \(text)") }
      try folder.write(changed, to: "set/particles.star")
    }
    self.options = options
    self.expected = expected
  }

  /// A change of the stack's bytes.
  init(
    _ name: String, options: [String] = [], expected: String...,
    stack change: @escaping @Sendable (inout Data) -> Void
  ) {
    testDescription = name
    apply = { folder in
      var data = try folder.data("set/particles.mrcs")
      change(&data)
      try folder.write(data, to: "set/particles.mrcs")
    }
    self.options = options
    self.expected = expected
  }

  /// Only options.
  init(_ name: String, options: [String], expected: String...) {
    testDescription = name
    apply = { _ in }
    self.options = options
    self.expected = expected
  }

  /// Anything in the folder, which holds the set in `set`.
  init(
    _ name: String, expected: String...,
    folder change: @escaping @Sendable (TemporaryFolder) throws -> Void
  ) {
    testDescription = name
    apply = change
    options = []
    self.expected = expected
  }
}

/// A whole data set of 30 images of 16 x 16 pixels: what is wrong later is only what a test does to it.
enum DamagedSet {
  static let images = 30
  static let box = 16
  /// The line of the STAR file that holds the first particle.
  static let firstLine = 30

  private static let original = Result {
    let folder = try SmallSet.make(
      ["--box", String(box), "--pixel-size", "10", "--snr", "5"], images: images)
    return try ["set/particles.star", "set/particles.mrcs"].map { ($0, try folder.data($0)) }
  }

  static func make(_ damage: Damage? = nil) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder.file("set"), withIntermediateDirectories: true)
    for (name, data) in try original.get() { try folder.write(data, to: name) }
    try damage?.apply(folder)
    return folder
  }

  /// Runs `average` on the set in a folder, into `run`.
  static func average(
    _ folder: TemporaryFolder, _ options: [String] = [], ranks: Int?,
    environment: [String: String] = [:]
  ) throws -> Command {
    try Command.run(arguments(folder, options), ranks: ranks, environment: environment)
  }

  /// The command line of `average` on the set in a folder, into `run`.
  static func arguments(_ folder: TemporaryFolder, _ options: [String]) -> [String] {
    ["average", folder.file("set/particles.star"), "--output", folder.file("run")]
      + self.options(options)
  }

  /// Options with few neighbours, where they do not say how many.
  static func options(_ options: [String]) -> [String] {
    [("--neighbours", "3"), ("--suspects", "6")]
      .filter { !options.contains($0.0) }.flatMap { [$0.0, $0.1] } + options
  }
}

extension Data {
  /// Sets a 32-bit word of an MRC header.
  mutating func setWord(_ offset: Int, _ value: Int32) {
    Swift.withUnsafeBytes(of: value.littleEndian) {
      replaceSubrange(offset..<offset + 4, with: $0)
    }
  }

  /// Sets pixels of an image (counted from 0) of a float stack with a plain header.
  mutating func setPixels(image: Int, _ pixels: Range<Int>, to value: Float) {
    for pixel in pixels {
      let offset = 1024 + 4 * (image * DamagedSet.box * DamagedSet.box + pixel)
      Swift.withUnsafeBytes(of: value.bitPattern.littleEndian) {
        replaceSubrange(offset..<offset + 4, with: $0)
      }
    }
  }
}
