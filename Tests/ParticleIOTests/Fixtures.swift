import Foundation
import ParticleIO
import TestSupport

/// An MRC file's bytes, put together by hand from the MRC2014 table of offsets.
struct HandmadeMRC {
  var width: Int32 = 8
  var height: Int32 = 8
  var sections: Int32 = 4
  var mode: Int32 = 2
  var bigEndian = false
  var stamp: [UInt8]? = nil
  var map = Array("MAP ".utf8)
  var cell: Float = 0
  var extended: [UInt8] = []
  var imodFlags: Int32? = nil
  var data: [UInt8] = []

  /// The value's bytes in the file's order.
  func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { Array($0) }
  }

  var file: [UInt8] {
    var header = [UInt8](repeating: 0, count: 1024)
    func put(_ bytes: [UInt8], _ offset: Int) {
      header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
    for (offset, value) in [(0, width), (4, height), (8, sections), (12, mode), (28, width)] {
      put(bytes(value), offset)
    }
    put(bytes(cell.bitPattern), 40)
    // Minimum, maximum and mean of -1, -2, -3: not determined.
    for (i, value) in [-1, -2, -3].enumerated() { put(bytes(Float(value).bitPattern), 76 + 4 * i) }
    put(bytes(Int32(extended.count)), 92)
    if let imodFlags {
      put(bytes(Int32(1_146_047_817)), 152)
      put(bytes(imodFlags), 156)
    }
    put(map, 208)
    put(stamp ?? (bigEndian ? [0x11, 0x11, 0, 0] : [0x44, 0x44, 0, 0]), 212)
    return header + extended + data
  }

  /// A float stack whose pixel p of section s is 100 s + p.
  static func ramp(box: Int32 = 8, sections: Int32 = 4) -> HandmadeMRC {
    var mrc = HandmadeMRC(width: box, height: box, sections: sections)
    for section in 0..<sections {
      for pixel in 0..<box * box {
        mrc.data += mrc.bytes(Float(100 * section + pixel).bitPattern)
      }
    }
    return mrc
  }
}

/// A RELION 3.1 data set: two optics groups, five particles in two stacks of four images of 8 x 8.
enum RELION31 {
  static let star = """

    # version 30001

    data_optics

    loop_
    _rlnOpticsGroup #1
    _rlnOpticsGroupName #2
    _rlnAmplitudeContrast #3
    _rlnSphericalAberration #4
    _rlnVoltage #5
    _rlnImagePixelSize #6
    _rlnImageSize #7
    1 first 0.1 2.7 300 1.5 8
    2 second 0.07 2.0 200 1.5 8


    # version 30001

    data_particles

    loop_
    _rlnDefocusU #1
    _rlnDefocusV #2
    _rlnDefocusAngle #3
    _rlnImageName #4
    _rlnOpticsGroup #5
    _rlnPhaseShift #6
    _rlnCtfBfactor #7
    _rlnCtfScalefactor #8
    10000 11000 10 000002@a.mrcs 1 0 0 1
    10001 11001 11 000003@a.mrcs 1 0 0 1
    20000 21000 -20 1@b.mrc 2 90 50 0.5
    10002 11002 12 000001@a.mrcs 1 0 0 1
    10003 11003 13 4@b.mrc 2 0 0 1

    """

  /// The STAR file's path in a folder with its stacks.
  static func write(to folder: TemporaryFolder, star: String = star) throws -> String {
    try folder.write(HandmadeMRC.ramp().file, to: "a.mrcs")
    var second = HandmadeMRC.ramp()
    second.data = second.data.reversed()  // big-endian, and pixels back to front
    second.bigEndian = true
    try folder.write(second.file, to: "b.mrc")
    return try folder.write(star, to: "particles.star")
  }
}

extension MRCFile {
  func pixels(_ range: Range<Int>) throws -> [Float] {
    var pixels = [Float](repeating: .nan, count: range.count * width * height)
    try pixels.withUnsafeMutableBufferPointer { try read(sections: range, into: $0) }
    return pixels
  }
}

/// The error that `body` throws, as the user reads it.
func message(_ body: () throws -> Void) -> String {
  do { try body() } catch { return "\(error)" }
  return "no error"
}
