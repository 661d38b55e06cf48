import Foundation
import TestSupport
import Testing

@testable import ParticleIO
@testable import Resume

@Suite struct CheckpointFileTests {
  private static let identity = ["input": "particles", "neighbours": "10"]

  private func write(_ folder: TemporaryFolder) throws -> String {
    let writer = try CheckpointWriter(path: folder.file("checkpoint"), identity: Self.identity)
    try writer.add(-7)
    try writer.add(Double.pi)
    try writer.add([Float.nan, 1, -.infinity])
    try writer.add([UInt8]())
    try writer.add([Int64.min, 3])
    #expect(!FileManager.default.fileExists(atPath: folder.file("checkpoint")))
    try writer.finish()
    return folder.file("checkpoint")
  }

  /// The reason why a file is not used.
  private func defect(_ path: String, _ identity: CheckpointIdentity = identity) -> String? {
    do {
      _ = try CheckpointReader(path: path, expected: identity)
      return nil
    } catch {
      return (error as? CheckpointDefect)?.description
    }
  }

  @Test func readsWhatWasWritten() throws {
    let folder = try TemporaryFolder()
    var reader = try CheckpointReader(path: try write(folder), expected: Self.identity)
    #expect(try reader.int() == -7)
    #expect(try reader.double() == .pi)
    let floats: [Float] = try reader.array()
    #expect(floats.map(\.bitPattern) == [Float.nan, 1, -.infinity].map(\.bitPattern))
    #expect(try reader.array(of: UInt8.self) == [])
    #expect(try reader.array(of: Int64.self) == [.min, 3])
    #expect(throws: CheckpointDefect.self) { try reader.int() }
  }

  /// Whoever writes a file can give it a right checksum.
  @Test func countsThatCannotBeAreSeen() throws {
    let folder = try TemporaryFolder()
    for count in [-1, 3, Int.min, .max, 1 << 40] {
      let writer = try CheckpointWriter(path: folder.file("checkpoint"), identity: [:])
      try writer.add(count)
      for number in [1.5, .nan] { try writer.add(number) }
      try writer.finish()
      func reader() throws -> CheckpointReader {
        try CheckpointReader(path: folder.file("checkpoint"), expected: [:])
      }
      var (first, second, third) = (try reader(), try reader(), try reader())
      #expect(throws: CheckpointDefect.self) { try first.count() }
      #expect(throws: CheckpointDefect.self) { try second.array(of: Double.self) }
      #expect(throws: CheckpointDefect.self) { try third.numbers(3) }
    }
  }

  @Test func numbersAreFiniteAndAsManyAsExpected() throws {
    let folder = try TemporaryFolder()
    let writer = try CheckpointWriter(path: folder.file("checkpoint"), identity: [:])
    try writer.add([1.5, 2])
    try writer.add([1.5, .nan])
    try writer.add([Float(1), -.infinity])
    try writer.finish()
    var reader = try CheckpointReader(path: folder.file("checkpoint"), expected: [:])
    var other = reader
    #expect(throws: CheckpointDefect.self) { try other.numbers(3) }
    #expect(try reader.numbers(2) == [1.5, 2])
    #expect(throws: CheckpointDefect.self) { try reader.numbers(2) }
    #expect(throws: CheckpointDefect.self) { try reader.expectEnd() }
    #expect(throws: CheckpointDefect.self) { try reader.floats(2) }
    try reader.expectEnd()
  }

  /// CRC-32 of "123456789", as published with the polynomial (ISO 3309).
  @Test func theChecksumIsTheStandardOne() {
    var whole = Checksum()
    whole.add("123456789")
    var parts = Checksum()
    for part in ["1234", "", "56789"] { parts.add(part) }
    #expect(whole.text == "cbf43926" && parts.value == whole.value)
  }

  @Test func everyFlippedBitIsSeen() throws {
    let folder = try TemporaryFolder()
    let path = try write(folder)
    let content = try folder.data("checkpoint")
    for place in content.indices {
      var damaged = content
      damaged[place] ^= 1 << UInt8(place % 8)
      try folder.write(damaged, to: "checkpoint")
      #expect(defect(path)?.hasPrefix(path) == true, "byte \(place)")
    }
  }

  @Test func everyShorterFileIsSeen() throws {
    let folder = try TemporaryFolder()
    let path = try write(folder)
    let content = try folder.data("checkpoint")
    for length in 0..<content.count {
      try folder.write(content.prefix(length), to: "checkpoint")
      #expect(defect(path) != nil, "\(length) bytes")
    }
    #expect(defect(path)?.contains("is cut short") == true)
  }

  @Test func saysWhatDiffers() throws {
    let folder = try TemporaryFolder()
    let path = try write(folder)
    #expect(defect(path) == nil)
    #expect(
      defect(path, ["input": "particles", "neighbours": "12"])
        == "\(path): is of another run: neighbours was 10, now it is 12")
    #expect(
      defect(path, Self.identity.merging(["seed": "1"]) { $1 })?
        .hasSuffix("seed was not known, now it is 1") == true)
    #expect(defect(folder.file("none"))?.contains("No such file") == true)
  }
}
