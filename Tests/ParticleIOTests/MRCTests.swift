import Foundation
import ParticleIO
import TestSupport
import Testing

@Suite struct MRCTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(_ mrc: HandmadeMRC, _ range: Range<Int> = 0..<1) throws -> [Float] {
    try MRCFile(path: folder.write(mrc.file, to: "hand.mrc")).pixels(range)
  }

  @Test(arguments: [false, true]) func everyModeIsReadInEitherByteOrder(bigEndian: Bool) throws {
    var mrc = HandmadeMRC(width: 2, height: 1, sections: 2, bigEndian: bigEndian)
    mrc.mode = 0
    mrc.data = [0, 0, 0x7F, 0x80]
    #expect(try read(mrc, 1..<2) == [127, -128])
    mrc.imodFlags = 1
    #expect(try read(mrc, 1..<2) == [127, -128])
    mrc.imodFlags = 0  // IMOD's unsigned bytes
    #expect(try read(mrc, 1..<2) == [127, 128])
    mrc.imodFlags = nil

    let words: [UInt16] = [0, 0, 0x1234, 0xFFFE]
    mrc.data = words.flatMap { mrc.bytes($0) }
    mrc.mode = 1
    #expect(try read(mrc, 1..<2) == [4660, -2])
    mrc.mode = 6
    #expect(try read(mrc, 1..<2) == [4660, 65534])
    mrc.mode = 12  // 1.5 and -2^-14 in IEEE half precision
    mrc.data = [UInt16(0), 0, 0x3E00, 0x8400].flatMap { mrc.bytes($0) }
    #expect(try read(mrc, 1..<2) == [1.5, -1.0 / 16384])
    mrc.mode = 2  // 1.0 and -6.25 in IEEE single precision
    mrc.data = [UInt32(0), 0, 0x3F80_0000, 0xC0C8_0000].flatMap { mrc.bytes($0) }
    #expect(try read(mrc, 1..<2) == [1, -6.25])
  }

  @Test(arguments: [false, true]) func missingStampsAreTolerated(bigEndian: Bool) throws {
    var mrc = HandmadeMRC(width: 1, height: 1, sections: 1, bigEndian: bigEndian)
    mrc.map = [0, 0, 0, 0]
    mrc.stamp = [0, 0, 0, 0]
    mrc.data = mrc.bytes(Float(2.5).bitPattern)
    #expect(try read(mrc) == [2.5])
    // A stamp that contradicts the sizes is not believed.
    mrc.stamp = bigEndian ? [0x44, 0x44, 0, 0] : [0x11, 0x11, 0, 0]
    #expect(try read(mrc) == [2.5])
  }

  @Test func extendedHeaderIsSkippedAndPixelSizeIsCellOverSampling() throws {
    var mrc = HandmadeMRC.ramp(box: 4, sections: 2)
    mrc.extended = [UInt8](repeating: 0xAA, count: 160)
    mrc.cell = 10
    let file = try MRCFile(path: folder.write(mrc.file, to: "hand.mrc"))
    #expect(try file.pixels(1..<2) == (0..<16).map { 100 + Float($0) })
    #expect(file.pixelSize == 2.5)
    mrc.cell = 0
    #expect(try MRCFile(path: folder.write(mrc.file, to: "hand.mrc")).pixelSize == nil)
  }

  @Test func badFilesAreRefused() throws {
    func refusal(_ change: (inout HandmadeMRC) -> Void) -> String {
      var mrc = HandmadeMRC.ramp()
      change(&mrc)
      return message { _ = try read(mrc) }
    }
    for mode in [3, 4, 101] as [Int32] {
      #expect(refusal { $0.mode = mode }.contains("mode \(mode); 0, 1, 2, 6 or 12 expected"))
    }
    #expect(refusal { $0.width = 0 }.contains("0 x 8 x 4"))
    #expect(refusal { $0.sections = -1 }.contains("8 x 8 x -1"))
    #expect(refusal { $0.sections = 10 }.contains("hold 4 whole sections; its header says 10"))
    #expect(refusal { $0.data.removeLast() }.contains("hold 3 whole sections; its header says 4"))
    #expect(refusal { $0.extended = [0] }.contains("no error"))
    #expect(
      refusal { ($0.width, $0.height, $0.sections) = (.max, .max, .max) }.contains("impossible"))
    let short = try folder.write([1, 2, 3], to: "short.mrc")
    #expect(message { _ = try MRCFile(path: short) }.contains("holds 3 bytes"))
    let missing = folder.file("none.mrc")
    #expect(message { _ = try MRCFile(path: missing) }.contains("No such file"))
    #expect(message { _ = try MRCFile(path: folder.path) }.contains("is not a file"))
  }

  @Test func writtenStackHasTheHeaderOfTheStandard() throws {
    let path = folder.file("out.mrcs")
    let writer = try MRCWriter(
      path: path, width: 3, height: 2, sections: 3, pixelSize: 2.5, content: .imageStack)
    // The last section first, then the others: any order gives the same file.
    let pixels: [Float] = (0..<18).map { Float($0 * $0) }
    try pixels.withUnsafeBufferPointer {
      try writer.write(UnsafeBufferPointer(rebasing: $0[12...]), section: 2)
      try writer.append(UnsafeBufferPointer(rebasing: $0[..<12]))
    }
    #expect(!FileManager.default.fileExists(atPath: path))
    try writer.finish()
    #expect(try folder.names == ["out.mrcs"])

    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
    func int(_ offset: Int) -> Int32 {
      bytes.withUnsafeBytes { Int32(littleEndian: $0.load(fromByteOffset: offset, as: Int32.self)) }
    }
    func float(_ offset: Int) -> Float { Float(bitPattern: UInt32(bitPattern: int(offset))) }
    #expect(bytes.count == 1024 + 18 * 4)
    #expect([0, 4, 8, 12, 28, 32, 36, 88, 92].map(int) == [3, 2, 3, 2, 3, 2, 1, 0, 0])
    #expect([40, 44, 48].map(float) == [7.5, 5, 2.5])
    #expect([64, 68, 72, 220].map(int) == [1, 2, 3, 1])
    #expect(Array(bytes[208..<214]) == Array("MAP ".utf8) + [0x44, 0x44])
    let mean = pixels.reduce(0, +) / 18
    let squares = pixels.map { ($0 - mean) * ($0 - mean) }.reduce(0, +)
    #expect(float(76) == 0 && float(80) == 289)
    #expect(abs(float(84) - mean) < 1e-4 && abs(float(216) - (squares / 18).squareRoot()) < 1e-3)
    let file = try MRCFile(path: path)
    #expect(try file.pixels(0..<3) == pixels)
    #expect(file.pixelSize == 2.5)
  }

  /// Sections of whole vectors and of one pixel more, and of fewer than a vector; a large mean, which sums of squares
  /// would not survive.
  @Test(arguments: [(4, 4), (17, 1), (8, 8), (3, 5), (13, 5)])
  func writtenStatisticsAreThoseOfADirectSum(width: Int, height: Int) throws {
    let (sections, size) = (3, width * height)
    let pixels = randomNormals(sections * size, seed: UInt64(size)).map { Float(1e4 + $0) }
    let path = folder.file("statistics-\(size).mrcs")
    let writer = try MRCWriter(
      path: path, width: width, height: height, sections: sections, pixelSize: 1,
      content: .imageStack)
    try writer.append(pixels)
    try writer.finish()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    func float(_ offset: Int) -> Float {
      bytes.withUnsafeBytes {
        Float(bitPattern: UInt32(littleEndian: $0.load(fromByteOffset: offset, as: UInt32.self)))
      }
    }
    let values = pixels.map(Double.init)
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    #expect(float(76) == pixels.min() && float(80) == pixels.max())
    #expect(abs(Double(float(84)) / mean - 1) < 1e-7)
    #expect(abs(float(216) / Float((squares / Double(values.count)).squareRoot()) - 1) < 1e-6)
  }

  @Test func volumeIsSampledAlongZ() throws {
    let path = folder.file("map.mrc")
    let writer = try MRCWriter(
      path: path, width: 2, height: 2, sections: 2, pixelSize: 3, content: .volume)
    try writer.append([0, 1, 2, 3, 4, 5, 6, 7])
    try writer.finish()
    let header = try MRCFile(path: path).header
    #expect(header.spaceGroup == 1 && header.pixelSize == 3)
    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(Array(bytes[36..<40]) == [2, 0, 0, 0])  // mz
  }

  @Test func unfinishedFilesLeaveNothingBehind() throws {
    func abandon(_ finish: Bool) throws {
      let writer = try MRCWriter(
        path: folder.file("out.mrcs"), width: 2, height: 2, sections: 2, pixelSize: 1,
        content: .imageStack)
      try writer.append([1, 2, 3, 4])
      #expect(try folder.names.count == 1)
      if finish { try writer.finish() }
    }
    try abandon(false)
    #expect(try folder.names == [])
    #expect(message { try abandon(true) }.contains("section 1 of 2 was not written once"))
    #expect(try folder.names == [])
  }
}
